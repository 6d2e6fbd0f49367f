"""Replaying captured activations through the emitted Verilog of encoder and decoder."""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from golden.calibrate import Choice
from golden.formats import SegmentedFormat
from golden.inputs import InputType
from golden.vectors import to_patterns
from rtl_gen.emit import emit
from rtl_gen.unit import UnitConfig
from sim import simulate, top
from sim.plan import PLAN_VARIABLE, Outcome, Plan, Tensor
from sim.scoreboard import as_inputs

SEED = 20260109  # of the random stalls
RUNS: tuple[tuple[str, int | None], ...] = (("full speed", None), ("random stalls", SEED))

Progress = Callable[[str, float], None]


def replay(
    activations: Mapping[str, np.ndarray[Any, Any]],
    choices: Mapping[str, Choice],
    *,
    input: InputType,
    lanes: int,
    simulator: str,
    counter_width: int = 32,
    runs: tuple[tuple[str, int | None], ...] = RUNS,
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
        progress: called with what is going on and how far it is, 0 to 1.

    Returns:
        An outcome per format and run.
    """
    groups: dict[SegmentedFormat, list[str]] = {}
    for name in activations:
        groups.setdefault(choices[name].format, []).append(name)
    outcomes = []
    for format, names in groups.items():
        label = ", ".join(names) if len(names) < 3 else f"{names[0]} to {names[-1]}"
        with tempfile.TemporaryDirectory(prefix="qse_hw_replay_") as folder:
            tensors = {name: activations[name] for name in names}
            outcomes += _replay_format(
                format, tensors, choices, input, lanes, simulator, counter_width, runs, progress, label, Path(folder)
            )
    return outcomes


def _replay_format(
    format: SegmentedFormat,
    activations: Mapping[str, np.ndarray[Any, Any]],
    choices: Mapping[str, Choice],
    input: InputType,
    lanes: int,
    simulator: str,
    counter_width: int,
    runs: tuple[tuple[str, int | None], ...],
    progress: Progress,
    label: str,
    folder: Path,
) -> list[Outcome]:
    scale_bits = max(choices[name].scale.bits for name in activations)
    config = UnitConfig(
        unit="encoder", format=format, input=input, scale=None, scale_bits=scale_bits, lanes=lanes,
        counter_width=counter_width,
    )
    progress(f"generating {format.name} ({label})", 0)
    encoder, decoder = emit(config), emit(replace(config, unit="decoder"))
    sources = [folder / "encoder.v", folder / "decoder.v", folder / f"{top.NAME}.v"]
    for path, text in zip(sources, (encoder.text, decoder.text, top.top(encoder, decoder)), strict=True):
        path.write_text(text)

    tensors = []
    for number, (name, x) in enumerate(activations.items()):
        file = folder / f"tensor{number}.npy"
        np.save(file, as_inputs(to_patterns(x, input), input, lanes))
        tensors.append(Tensor(name=name, file=str(file), values=x.size, scale=choices[name].scale))
    plan = Plan(
        format=format, input=input, lanes=lanes, counter_width=counter_width, tensors=tuple(tensors), runs=runs,
        result=str(folder / "result.jsonl"), progress=str(folder / "progress"),
    )
    plan.write(folder / "plan.json")

    progress(f"compiling {format.name} ({label})", 0)
    simulate.build(sources, top.NAME, folder, simulator)

    def tick() -> None:
        done = len(_lines(Path(plan.result)))
        try:
            within = float(Path(plan.progress).read_text())
        except (OSError, ValueError):
            within = 0.0
        name = runs[min(done, len(runs) - 1)][0]
        progress(f"replaying {format.name} ({label}), {name}", (done + within) / len(runs) if done < len(runs) else 1)

    simulate.run("sim.testbench", top.NAME, folder, simulator, {PLAN_VARIABLE: str(folder / "plan.json")}, tick)
    outcomes = [Outcome(**json.loads(line)) for line in _lines(Path(plan.result))]
    if len(outcomes) != len(runs):
        raise RuntimeError(f"{len(outcomes)} of {len(runs)} passes reported\n{simulate._tail(folder / 'run.log')}")
    return outcomes


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
