# amaranth: UnusedElaboratable=no
"""Configuration of an encoder."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.presets import spec_of
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.reference.vectors import encoder_vectors, expected
from qse_hw.rtl_gen.emit.beats import Beats, join_lanes, stream
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.option_kinds import OneOf, Step
from qse_hw.rtl_gen.units.options import REQUIRED, option
from qse_hw.rtl_gen.units.shared import COUNTER_WIDTH, FORMAT, INPUT, LANES, PIPELINE, SCALE_BITS, TARGET

if TYPE_CHECKING:
    from qse_hw.rtl_gen.encoder import Encoder


@dataclass(frozen=True, kw_only=True)
class EncoderConfig(UnitConfig):
    """See :class:`qse_hw.rtl_gen.encoder.Encoder`.

    A constant ``scale`` sets ``scale_bits``; with None the scale is set at run time.
    """

    unit: ClassVar[str] = "encoder"
    summary: ClassVar[str] = "values to codes"

    format: SegmentedFormat = option(FORMAT)
    input: InputType = option(INPUT)
    scale: Scale | None = option(
        kind=Step(optional=True),
        help="the step s (a constant), or runtime for ports",
        metavar="S",
        default=None,
        text_default=REQUIRED,
    )
    scale_bits: int = option(SCALE_BITS)
    lanes: int = option(LANES)
    counter_width: int = option(COUNTER_WIDTH)
    arch: str = option(
        kind=OneOf(("fused", "parallel")),
        help="fused: one multiplier; parallel: a quantizer per segment and a multiplexer",
        metavar="A",
        default="fused",
    )
    target: str = option(TARGET)
    pipeline: int | None = option(PIPELINE)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale is not None:
            object.__setattr__(self, "scale_bits", self.scale.bits)
        elif self.arch == "parallel":
            raise InputError("Scale must be a constant for arch parallel, which compares with it, not set at run time")

    @property
    def label(self) -> str:
        words = [self.unit, spec_of(self.format), self.input.name]
        if self.scale is None:
            words.append("scale=runtime")
        if self.arch != "fused":
            words.append(self.arch)
        if self.target != "generic":
            words.append(self.target)
        if self.pipeline is not None:
            words.append(f"pipeline={self.pipeline}")
        return " ".join([*words, *([f"x{self.lanes}"] if self.lanes > 1 else [])])

    def component(self) -> "Encoder":
        from qse_hw.rtl_gen.encoder import Encoder

        return Encoder(self)

    def facts(self) -> dict[str, Any]:
        return code_facts(self.format, self.scale)

    def meanings(self) -> Mapping[str, str]:
        return {
            "i__payload": f"values, {self.input.name}, {self.input.width} bits each, lane 0 in the low bits",
            "o__payload": f"codes, {self.format.bits} bits each, lane 0 in the low bits",
        }

    def vectors(self, scale: Scale | None = None) -> dict[str, np.ndarray[Any, Any]]:
        """Inputs that reach every decision, padded with zeros to whole beats, with codes, decoded integers and flags.

        ``scale``: the run-time scale; default: :meth:`default_runtime_scale`.
        """
        used = self.scale or scale or self.default_runtime_scale()
        result = encoder_vectors(self.format, self.input, used)
        pad = -len(result.input_bits) % self.lanes
        if pad:
            padded = np.concatenate([result.input_bits, np.zeros(pad, np.uint32)])
            result = expected(padded, self.format, self.input, used)
        arrays: dict[str, np.ndarray[Any, Any]] = dict(result._asdict())
        if self.scale is None:
            arrays |= {"scale_m": np.array(used.M), "scale_k": np.array(used.k)}
        return arrays

    def beats(self) -> Beats:
        arrays = self.vectors()
        status = {"saturated": int(arrays["saturated"].any()), "nan": int(arrays["nan"].any())}
        if self.counter_width:
            status["saturation_count"] = min(int(arrays["saturated"].sum()), (1 << self.counter_width) - 1)
        return Beats(
            inputs=stream("i", join_lanes(arrays["input_bits"], self.input.width, self.lanes)),
            outputs=stream("o", join_lanes(arrays["codes"], self.format.bits, self.lanes)),
            ports={name: int(arrays[name]) for name in ("scale_m", "scale_k") if name in arrays},
            status=status,
        )

    def default_runtime_scale(self) -> Scale:
        """A run-time scale with which the vectors reach every code of the format."""
        exponent = -4 if self.input.is_float else self.input.exponent + max(0, self.input.width - 10)
        return Scale.from_step(2.0**exponent * 1.1, self.scale_bits)


CONFIG = EncoderConfig


def code_facts(format: SegmentedFormat, scale: Scale | None) -> dict[str, Any]:
    """How to read codes, and the scale, None if it is set at run time."""
    return {"format": format_facts(format), "scale": scale_json(scale) if scale is not None else None}


def format_facts(format: SegmentedFormat) -> dict[str, Any]:
    """How to read codes: the value of every code, in fine steps."""
    return {
        "fraction_bits": format.fraction_bits,
        "zero_code": format.zero_code,
        "values": {str(code): value for code, value in sorted(format.decoded.items())},
    }


def scale_json(scale: Scale) -> dict[str, Any]:
    """M, k, bits, and the step as a float for readers."""
    return {"M": scale.M, "k": scale.k, "bits": scale.bits, "step": float(scale.step)}
