"""Replaying activations in simulation, beside a one-lane testbench."""

from typing import Any

import numpy as np

from qse_hw.golden.calibration.calibration import LayerCalibration
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.study.bench import SEED, Report
from qse_hw.study.console import table

WORDS = "replaying"
VALUES = 1 << 21
NAIVE_VALUES = 20_000
LANES = 128


def measure(report: Report) -> dict[str, Any]:
    """Values per second of the replay and of a one-lane, coroutine-per-cycle testbench, in the same run."""
    from qse_hw.sim.replay.replay import measure_naive, replay

    x = np.random.default_rng(SEED).standard_normal((VALUES // 512, 512), np.float32)
    choice = LayerCalibration(format=load_format("se8"), scale=Scale.from_step(0.02), sqnr_db=0.0)
    fp32 = input_type("fp32")
    report(0)
    naive = measure_naive(x.reshape(-1)[:NAIVE_VALUES].reshape(1, -1), choice, input=fp32)
    outcomes = replay(
        {"x": x}, {"x": choice}, input=fp32, lanes=LANES, simulator="verilator",
        progress=lambda what, share: report(share),
    )  # fmt: skip
    if any(outcome.mismatches for outcome in outcomes):
        raise SystemExit("the replay found mismatches; run the replay command")
    speeds = {outcome.run: outcome.values / outcome.seconds for outcome in outcomes}
    return {
        "lanes": LANES,
        "values": VALUES,
        "values_per_second": speeds,
        "naive_values_per_second": naive,
        "ratio": {run: speed / naive for run, speed in speeds.items()},
    }


def show(figures: dict[str, Any]) -> None:
    """A table of speeds."""
    rows = [[f"replay, {figures['lanes']} lanes, {run}", f"{speed:,.0f}", f"{figures['ratio'][run]:.1f}"]
            for run, speed in figures["values_per_second"].items()]  # fmt: skip
    rows.append(["one lane, a coroutine step per cycle", f"{figures['naive_values_per_second']:,.0f}", "1.0"])
    table("Simulation", ["testbench", "values/s", "ratio"], rows)
