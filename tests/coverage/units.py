"""The units whose Verilog coverage is reported, under all patterns, random stalls, and an independent bus master."""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import MAX_LOG2_STEP, Scale
from qse_hw.rtl_gen.emit.emit import Emitted, emit
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from qse_hw.sim.cycle.stimulus import Stimulus, full_speed, random_stalls
from qse_hw.sim.packing import pack
from qse_hw.sim.simulators import simulate
from qse_hw.sim.trace.trace import record_all
from tests.coverage.verilog import Point, constants, counted, points, summarise
from tests.rtl_gen.formats import random_scale
from tests.sim.quantizer_bench import FOLDER_VARIABLE
from tests.sim.test_quantizer_axi import TESTBENCHES

SEED = 20263
LEAST = {"encoder": 99.0, "decoder": 99.0, "quantizer": 85.0}  # percent of toggles that can occur; registers are wide
SCALES = 64  # at run time
SUSPECTS = 100  # bits that the solver is asked about

Run = tuple[Any, Callable[[Emitted, Path], Counter[Point]]]


def _every_pattern(width: int, ports: Callable[[int], Mapping[str, np.ndarray]]) -> list[Stimulus]:
    """All inputs at full speed; then in random order under random stalls, with ports that change."""
    beats = pack(np.arange(1 << width).reshape(-1, 1), width)
    shuffled = np.random.default_rng(SEED).permutation(beats)
    fast, slow = len(beats) + 30, 2 * len(beats) + 30
    return [
        full_speed(beats, cycles=fast, ports={**ports(fast), "clear": np.zeros(fast, np.bool_)}),
        random_stalls(shuffled, cycles=slow, seed=SEED, ports=ports(slow)),
    ]


def _clear(cycles: int) -> dict[str, np.ndarray]:
    return {"clear": np.random.default_rng(SEED).random(cycles) < 0.01}


def _clear_and_scales(cycles: int) -> dict[str, np.ndarray]:
    """Any scale in every eighth cycle, else one at which every segment is in reach."""
    rng = np.random.default_rng(SEED)
    ends = [Scale.from_step(2.0**power) for power in (-MAX_LOG2_STEP, MAX_LOG2_STEP)]
    scales = [Scale.from_step(0.0147), *ends, *(random_scale(rng, 16) for _ in range(SCALES))]
    now = np.where(rng.random(cycles) < 0.125, rng.integers(0, len(scales), cycles), 0)
    values = {"scale_m": np.array([s.M for s in scales])[now], "scale_k": np.array([s.k for s in scales])[now]}
    return _clear(cycles) | values


def _recorded(unit: Emitted, stimuli: list[Stimulus], folder: Path) -> Counter[Point]:
    with counted():
        record_all(unit, stimuli, folder=folder)
    return points(folder / "coverage.dat", f"{unit.config.top}.v", "unit")


def _under_axi(unit: Emitted, folder: Path) -> Counter[Point]:
    """Streams and registers driven by cocotbext-axi, as in tests/sim/test_quantizer_axi.py."""
    top = unit.config.top
    (folder / "parameters.json").write_text(json.dumps(unit.config.parameters()))
    for name, text in unit.config.files().items():
        (folder / name).write_text(text)
    port = r"^(  (?:in|out)put (?:\[\d+:0\] )?\w+);"
    public = re.sub(port, r"\1 /* verilator public_flat_rw */;", unit.text, flags=re.MULTILINE)
    (folder / f"{top}.v").write_text(public)
    hits: Counter[Point] = Counter()
    with counted():
        simulate.build([folder / f"{top}.v"], top, folder, "verilator", short=True)
        for testbench in TESTBENCHES:
            environment = {FOLDER_VARIABLE: str(folder), "PYTHONPATH": ":".join(filter(None, sys.path))}
            simulate.run(f"tests.sim.{testbench}", top, folder, "verilator", environment, lambda: None)
            for point, count in points(folder / "coverage.dat", f"{top}.v", top).items():
                hits[point] += count
    return hits


def _unit_runs() -> dict[str, Run]:
    se8, bf16, step = load_format("se8"), input_type("bf16"), Scale.from_step(0.0147)
    encoder = EncoderConfig(format=se8, input=bf16, scale=step, counter_width=6)
    return {
        config.label: (config, run)
        for config, run in (
            (encoder, lambda unit, folder: _recorded(unit, _every_pattern(16, _clear), folder)),
            (
                replace(encoder, scale=None),
                lambda unit, folder: _recorded(unit, _every_pattern(16, _clear_and_scales), folder),
            ),
            (DecoderConfig(format=se8), lambda unit, folder: _recorded(unit, _every_pattern(8, _clear), folder)),
            (QuantizerConfig(format=se8, input=bf16, scale=step), _under_axi),
        )
    }


RUNS = _unit_runs()
"""By label: the unit's configuration, and what runs it in a folder and returns what was met."""


def collect(label: str, folder: Path) -> dict[str, Any]:
    """Line, branch and toggle coverage of a unit of :data:`RUNS`: met, proved constant, and what remains."""
    config, run = RUNS[label]
    counts = run(emit(config), folder)
    source = folder / f"{config.top}.v"
    constant = constants(source, config.top)
    left = summarise("toggle", counts, constant).rest
    constant |= constants(source, config.top, left) if len(left) <= SUSPECTS else set()
    document: dict[str, Any] = {"name": f"Verilog coverage, {label}"}
    for kind in ("line", "branch", "toggle"):
        summary = summarise(kind, counts, constant)
        percent = 100 * summary.met / (summary.total - sum(summary.explained.values()))
        document[kind] = {
            "percent": round(percent, 2),
            "met": summary.met,
            "total": summary.total,
            "cannot_be_met": summary.explained,
            "not_met": len(summary.rest),
            "where": dict(Counter(place.rpartition(".")[0] or config.top for place in summary.rest).most_common()),
        }
    document["passed"] = document["line"]["not_met"] == 0 and document["toggle"]["percent"] >= LEAST[config.unit]
    return document
