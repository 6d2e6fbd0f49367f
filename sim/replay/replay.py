"""Replaying captured activations through the emitted Verilog of encoder and decoder."""

import json
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from qse_hw.golden.calibration.calibration import LayerCalibration
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.presets import spec_of
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.reference.vectors import to_patterns
from qse_hw.rtl_gen.emit.emit import Emitted, emit
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.sim.replay import top
from qse_hw.sim.replay.plan import PLAN_VARIABLE, Outcome, Plan, Tensor
from qse_hw.sim.replay.scoreboard import as_inputs
from qse_hw.sim.simulators import simulate
from qse_hw.sim.simulators.wave import Wave, recording

SEED = 20260109  # of the random stalls
RUNS: tuple[tuple[str, int | None], ...] = (("full speed", None), ("random stalls", SEED))
PLAN, RESULT, PROGRESS = "plan.json", "result.jsonl", "progress"  # files that a testbench reads and writes

Progress = Callable[[str, float], None]


def replay(
    activations: Mapping[str, np.ndarray[Any, Any]],
    choices: Mapping[str, LayerCalibration],
    *,
    input: InputType,
    lanes: int,
    simulator: str,
    counter_width: int = 32,
    runs: tuple[tuple[str, int | None], ...] = RUNS,
    wave: Path | None = None,
    build: Callable[[UnitConfig], Emitted] = emit,
    progress: Progress = lambda what, fraction: None,
) -> list[Outcome]:
    """Send every tensor through encoder and decoder; the scale is set at run time, before each tensor.

    Args:
        activations: tensors by name.
        choices: format and scale of each tensor; one simulation is made per distinct format.
        input: the encoder's input type; values are rounded to it before they are sent.
        lanes: values per cycle.
        simulator: verilator or icarus.
        counter_width: of the encoder.
        runs: the passes; full speed and random stalls by default.
        wave: file for every signal of all passes, with a suffix of :func:`qse_hw.sim.simulators.wave.kind_of`; the
            simulations of further formats use the other names of :func:`wave_files`.
        build: makes the Verilog of a unit, or an equivalent such as its netlist.
        progress: called with the current step in words and the fraction done, 0 to 1.

    Returns:
        An outcome per format and run.
    """
    groups: dict[SegmentedFormat, list[str]] = {}
    for name in activations:
        groups.setdefault(choices[name].format, []).append(name)
    waves = [None] * len(groups) if wave is None else wave_files(wave, len(groups))
    outcomes = []
    for (format, names), file in zip(groups.items(), waves, strict=True):
        label = f"{spec_of(format)}, {names[0]}" + (f" to {names[-1]}" if len(names) > 1 else "")
        with tempfile.TemporaryDirectory(prefix="qse_hw_replay_") as name, recording(file, simulator) as recorded:
            folder = Path(name)
            progress(f"generating {label}", 0)
            tensors = {name: activations[name] for name in names}
            plan, sources = _prepare(
                format, tensors, choices, input, lanes, counter_width, runs, folder, simulator, build
            )
            progress(f"compiling {label}", 0)
            simulate.build(sources, top.NAME, folder, simulator, recorded)
            tell = partial(progress, f"replaying {label}")
            bench = "qse_hw.sim.replay.testbench"
            told = run_passes(bench, top.NAME, folder, simulator, len(plan.runs), tell, recorded)
            outcomes += [Outcome(**outcome) for outcome in told]
    return outcomes


def wave_files(wave: Path, formats: int) -> list[Path]:
    """The wave files of the simulations of ``formats`` formats: ``w.vcd``, ``w-2.vcd``, ``w-3.vcd``."""
    return [wave, *(wave.with_stem(f"{wave.stem}-{number}") for number in range(2, formats + 1))]


def run_passes(
    module: str, name: str, folder: Path, simulator: str, passes: int, progress: Callable[[float], None],
    wave: Wave | None = None,
) -> list[dict[str, Any]]:
    """Run a testbench that reads ``folder/plan.json``; return its results, a line each in ``folder/result.jsonl``.

    Raises:
        RuntimeError: if the simulation fails, or does not report every pass.
    """  # fmt: skip
    result = folder / RESULT

    def tick() -> None:
        try:
            within = float((folder / PROGRESS).read_text())
        except (OSError, ValueError):  # not there yet, or being written
            within = 0.0
        progress(min(1.0, (len(_lines(result)) + within) / passes))

    simulate.run(module, name, folder, simulator, {PLAN_VARIABLE: str(folder / PLAN)}, tick, wave)
    told = [json.loads(line) for line in _lines(result)]
    if len(told) != passes:
        raise RuntimeError(f"{len(told)} of {passes} passes reported\n{simulate.tail(folder / 'run.log')}")
    return told


def measure_naive(x: np.ndarray[Any, Any], choice: LayerCalibration, *, input: InputType) -> float:
    """Values per second of the baseline (one lane, a coroutine step per cycle) on ``x``; compilation excluded."""
    with tempfile.TemporaryDirectory(prefix="qse_hw_naive_") as name:
        folder = Path(name)
        plan, sources = _prepare(choice.format, {"x": x}, {"x": choice}, input, 1, 32, (), folder, "verilator", emit)
        simulate.build(sources, top.NAME, folder, "verilator")
        environment = {PLAN_VARIABLE: str(folder / PLAN)}
        simulate.run("qse_hw.sim.replay.naive_testbench", top.NAME, folder, "verilator", environment, lambda: None)
        if not Path(plan.result).exists():
            raise RuntimeError(f"the baseline failed\n{simulate.tail(folder / 'run.log')}")
        measured = json.loads(Path(plan.result).read_text())
        return float(measured["values"] / measured["seconds"])


def _prepare(
    format: SegmentedFormat,
    activations: Mapping[str, np.ndarray[Any, Any]],
    choices: Mapping[str, LayerCalibration],
    input: InputType,
    lanes: int,
    counter_width: int,
    runs: tuple[tuple[str, int | None], ...],
    folder: Path,
    simulator: str,
    build: Callable[[UnitConfig], Emitted],
) -> tuple[Plan, list[Path]]:
    """Write Verilog, packed inputs and plan to ``folder``; returns the plan and the Verilog files."""
    config = EncoderConfig(
        format=format,
        input=input,
        scale=None,
        scale_bits=max(choices[name].scale.bits for name in activations),
        lanes=lanes,
        counter_width=counter_width,
    )
    encoder, decoder = build(config), build(DecoderConfig(format=format, lanes=lanes))
    texts = {"encoder.v": encoder.text, "decoder.v": decoder.text, **encoder.models, **decoder.models}
    texts[f"{top.NAME}.v"] = top.top(encoder, decoder)
    sources = [folder / name for name in texts]
    for path, text in zip(sources, texts.values(), strict=True):
        path.write_text(text)
    if simulator == "verilator":
        sources.append(folder / "lanes.vlt")
        sources[-1].write_text(top.VERILATOR_CONFIG)
    tensors = []
    for number, (name, x) in enumerate(activations.items()):
        file = folder / f"tensor{number}.npy"
        np.save(file, as_inputs(to_patterns(x, input), input, lanes))
        scale = choices[name].scale
        missing = config.scale_bits - scale.bits  # M's top bit must be the port's top bit
        scale = Scale(M=scale.M << missing, k=scale.k + missing, bits=config.scale_bits)
        tensors.append(Tensor(name=name, file=str(file), values=x.size, scale=scale))
    plan = Plan(
        format=format,
        input=input,
        lanes=lanes,
        counter_width=counter_width,
        tensors=tuple(tensors),
        runs=runs,
        result=str(folder / RESULT),
        progress=str(folder / PROGRESS),
    )
    plan.write(folder / PLAN)
    return plan, sources


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
