"""Replaying all SSM inputs of a model of a published size: millions of values, many lanes, a compiled harness.

As :mod:`qse_hw.sim.replay.replay`, but the work of every cycle is done by ``whole_model.sv`` instead of Python. cocotb
starts this harness and reads its counters; golden's answers are computed before, as files.
"""

import json
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.calibration.calibration import LayerCalibration
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.io.environment import cores
from qse_hw.golden.reference.vectors import expected, to_patterns
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.decoder import DecoderConfig, value_width
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.sim.packing import pack
from qse_hw.sim.replay import top
from qse_hw.sim.replay.plan import Outcome
from qse_hw.sim.replay.replay import PLAN, RUNS, run_passes
from qse_hw.sim.replay.scoreboard import describe_flags
from qse_hw.sim.simulators import simulate

NAME = "whole_model"
LANES = 16  # a multiple of 8, so that beats are whole bytes; with more, compilation takes longer than it saves
_HARNESS = Path(__file__).with_name(f"{NAME}.sv")
_SCALE_BITS = 16

Floats = npt.NDArray[np.float32]


def spread(tensors: Sequence[Floats], *, layers: int, channels: int, tokens: int) -> dict[str, Floats]:
    """Activations with a large model's shape, made of a small model's.

    Layer n uses the small model's layer n modulo their number, and continues where the previous layer with the same
    tensor ended; a tensor that is exhausted starts again.

    Args:
        tensors: a (tokens, channels) float32 per layer of the small model.
        layers, channels, tokens: of the large one.

    Returns:
        (tokens, channels) by name.
    """
    size = tokens * channels
    activations = {}
    for layer in range(layers):
        values = tensors[layer % len(tensors)].reshape(-1)
        begin = layer // len(tensors) * size % values.size
        activations[f"layers.{layer}.x"] = np.resize(np.roll(values, -begin), (tokens, channels))
    return activations


@dataclass
class Stages:
    """Seconds by stage, added up over threads."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to the stage ``name``."""
        begun = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun


def replay_model(
    activations: Mapping[str, Floats],
    choices: Mapping[str, LayerCalibration],
    *,
    input: InputType,
    stages: Stages,
    progress: Callable[[str, float], None] = lambda what, fraction: None,
) -> list[Outcome]:
    """Send every tensor through encoder and decoder, at full speed and with random stalls.

    Args:
        activations: tensors by name.
        choices: format and scale of each tensor, of 16 bits; one simulation is made per distinct format, as many at a
            time as there are cores.
        input: the encoder's input type; values are rounded to it before they are sent.
        stages: the times of golden, generating, compiling and simulating are added to it.
        progress: called with the current step in words and the fraction done, 0 to 1.

    Returns:
        An outcome per format and run.

    Raises:
        InputError: if Verilator or what it needs is missing.
        RuntimeError: if compilation or simulation fails.
    """
    groups: dict[SegmentedFormat, list[str]] = {}
    for name in activations:
        groups.setdefault(choices[name].format, []).append(name)
    available = cores()
    done = [0.0] * len(groups)

    words = f"replaying {sum(x.size for x in activations.values()):,} values in {len(groups)} formats"

    def report(number: int, fraction: float) -> None:
        done[number] = fraction
        progress(words, sum(done) / len(groups))

    with (
        tempfile.TemporaryDirectory(prefix="qse_hw_model_") as name,
        simulate.environment("-O2", "-O0"),
        ThreadPoolExecutor(available) as pool,
    ):
        folders = [Path(name) / str(number) for number in range(len(groups))]

        def prepare(number: int, format: SegmentedFormat, names: list[str]) -> list[Path]:
            report(number, 0.0)
            folders[number].mkdir()
            with stages.stage("generate"):
                sources = _generate(format, input, folders[number])
            with stages.stage("golden"):
                tensors = [(activations[name], choices[name].scale) for name in names]
                _expect(format, input, tensors, folders[number])
            return sources

        def build(number: int, sources: list[Path]) -> None:
            report(number, 0.1)
            with stages.stage("compile"):
                simulate.build(sources, NAME, folders[number], "verilator", optimize_runtime=False)

        def finish(number: int) -> list[Outcome]:
            if number:
                build(number, prepared[number].result())
            with stages.stage("simulate"):
                passes = run_passes(
                    "qse_hw.sim.replay.whole_model_testbench", NAME, folders[number], "verilator", len(RUNS),
                    lambda part: report(number, 0.5 + 0.5 * part),
                )  # fmt: skip
            plan = json.loads((folders[number] / PLAN).read_text())
            return [outcome(counters, plan) for counters in passes]

        prepared = [pool.submit(prepare, number, *group) for number, group in enumerate(groups.items())]
        build(0, prepared[0].result())  # the others take Verilator's runtime from the compiler's cache
        return [result for passes in pool.map(finish, range(len(groups))) for result in passes]


def _generate(format: SegmentedFormat, input: InputType, folder: Path) -> list[Path]:
    encoder = emit(EncoderConfig(format=format, input=input, scale_bits=_SCALE_BITS, lanes=LANES))
    decoder = emit(DecoderConfig(format=format, lanes=LANES))
    defines = {
        "LANES": LANES, "INPUT": input.width, "CODE": format.bits, "VALUE": value_width(format),
        "SCALE": _SCALE_BITS,
    }  # fmt: skip
    texts = {
        "defines.v": "".join(f"`define QSE_{name} {value}\n" for name, value in defines.items()),
        "encoder.v": encoder.text,
        "decoder.v": decoder.text,
        f"{top.NAME}.v": top.top(encoder, decoder),
        f"{NAME}.sv": _HARNESS.read_text(encoding="utf-8"),
        "lanes.vlt": top.VERILATOR_CONFIG,
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def _expect(format: SegmentedFormat, input: InputType, tensors: list[tuple[Floats, Scale]], folder: Path) -> None:
    """Write the plan, and the harness's files of inputs and expected outputs."""
    saturated, nan, beats, values = 0, 0, 0, 0
    with ExitStack() as stack:
        inputs, codes, decoded = (
            stack.enter_context((folder / f"{what}.bin").open("wb")) for what in ("inputs", "codes", "values")
        )
        for x, scale in tensors:
            patterns = to_patterns(x, input).reshape(-1)
            padded = np.concatenate([patterns, np.zeros(-patterns.size % LANES, np.uint32)]).reshape(-1, LANES)
            want = expected(padded, format, input, scale)
            ports = np.frombuffer(struct.pack(">iI", scale.k, scale.M), np.uint8)
            _write(inputs, np.hstack([np.tile(ports, (len(padded), 1)), pack(padded, input.width)[:, ::-1]]))
            _write(codes, pack(want.codes, format.bits)[:, ::-1])
            _write(decoded, pack(want.decoded, value_width(format))[:, ::-1])
            saturated += int(want.saturated.sum())
            nan += int(want.nan.sum())
            beats += len(padded)
            values += patterns.size
    plan = {
        "lanes": LANES,
        "beats": beats,
        "padding": beats * LANES - values,
        "runs": RUNS,
        "flags": {
            "saturated": int(saturated > 0), "nan": int(nan > 0), "invalid": 0,
            "saturation_count": min(saturated, (1 << 32) - 1),
        },
    }  # fmt: skip
    (folder / PLAN).write_text(json.dumps(plan))


def _write(file: IO[bytes], beats: npt.NDArray[np.uint8]) -> None:
    file.write(np.ascontiguousarray(beats).data)


def outcome(counters: Mapping[str, Any], plan: Mapping[str, Any]) -> Outcome:
    """The outcome of a pass, from the harness's counters.

    Args:
        counters: of a pass, by their names in ``whole_model.sv``; ``run``, its name; ``seconds``.
        plan: ``lanes``, values per beat; ``beats`` sent; ``padding``, values that only fill up the tensors' last beats;
            ``flags``, expected values of the status outputs.

    Raises:
        RuntimeError: if the harness could not read its files.
    """
    if counters["broken_files"]:
        raise RuntimeError("the harness could not read its files")
    beats, flags, passed = plan["beats"], plan["flags"], (counters["link_beats"], counters["o_beats"])
    wrong_flags = describe_flags({port: counters[port] for port in flags}, flags)
    first = next(iter(wrong_flags), "")
    if counters["first_kind"]:
        what = ("code", "value")[counters["first_kind"] - 1]
        got, want = counters["first_got"], counters["first_want"]
        first = f"{what}, beat {counters['first_beat']}, lane {counters['first_lane']}: {got:#x}, not {want:#x}"
    elif min(passed) != beats:
        first = f"{min(passed)} beats came out, not {beats}"
    return Outcome(
        run=counters["run"],
        values=max(0, min(*passed, beats) * plan["lanes"] - plan["padding"]),
        cycles=counters["last"],
        wrong_codes=counters["wrong_codes"],
        wrong_values=counters["wrong_values"],
        missing=sum(max(0, beats - count) for count in passed),
        extra=sum(max(0, count - beats) for count in passed),
        unknown=0,  # Verilator has no X and Z
        violations=counters["violations"],
        wrong_inputs=abs(counters["accepted"] - beats),
        wrong_flags=len(wrong_flags),
        seconds=counters["seconds"],
        first=first,
    )
