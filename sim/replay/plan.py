"""Plan and outcome of a replay: the files between the command and the testbench inside the simulator."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qse_hw.golden.formats.inputs import InputType, input_type
from qse_hw.golden.formats.presets import format_from_json, format_to_json
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat

PLAN_VARIABLE = "QSE_PLAN"  # environment variable: path of the plan


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor to replay: packed beats (beats, bytes) in a .npy file, its number of values, its scale."""

    name: str
    file: str
    values: int
    scale: Scale


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One simulation. ``runs``: name of each pass and the seed of its stalls, or None for full speed."""

    format: SegmentedFormat
    input: InputType
    lanes: int
    counter_width: int
    tensors: tuple[Tensor, ...]
    runs: tuple[tuple[str, int | None], ...]
    result: str
    progress: str

    def write(self, path: Path) -> None:
        """Write as JSON."""
        document: dict[str, Any] = asdict(self)
        document |= {"format": format_to_json(self.format), "input": self.input.name}
        path.write_text(json.dumps(document))

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """The inverse of :meth:`write`."""
        document = json.loads(path.read_text())
        tensors = tuple(Tensor(**item | {"scale": Scale(**item["scale"])}) for item in document["tensors"])
        return cls(
            **document
            | {
                "format": format_from_json(document["format"]),
                "input": input_type(document["input"]),
                "tensors": tensors,
                "runs": tuple((name, seed) for name, seed in document["runs"]),
            }
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of one pass, which has passed if :attr:`mismatches` is 0.

    Attributes:
        values: values compared, at both the encoder's and the decoder's output.
        cycles: clock cycles from the first offer to the last output.
        wrong_codes, wrong_values: differences from golden at the encoder's output, at the decoder's.
        missing, extra: beats that are missing, or too many, at the outputs.
        unknown: beats that held X or Z.
        violations: waiting beats that left or changed.
        wrong_inputs: beats that differ at the input from those sent.
        wrong_flags: status outputs with a wrong value.
        seconds: wall time of the pass.
        first: the first difference, in words.
    """

    run: str
    values: int
    cycles: int
    wrong_codes: int
    wrong_values: int
    missing: int
    extra: int
    unknown: int
    violations: int
    wrong_inputs: int
    wrong_flags: int
    seconds: float
    first: str

    @property
    def mismatches(self) -> int:
        """The number of all differences."""
        return (
            self.wrong_codes + self.wrong_values + self.missing + self.extra
            + self.unknown + self.violations + self.wrong_inputs + self.wrong_flags
        )  # fmt: skip
