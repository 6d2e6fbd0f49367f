"""Replays of captured activations: which formats, run with a progress bar, added up, shown."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from qse_hw.golden.calibration.calibration import Calibration, LayerCalibration
from qse_hw.golden.calibration.spec import FormatSpec, parse_format
from qse_hw.sim.replay.plan import Outcome
from qse_hw.study.calibrate import calibrated
from qse_hw.study.console import progress, table
from qse_hw.study.sources import Activations, stream


def choose(
    activations: Activations, calibration: Calibration | None, spec: FormatSpec | None
) -> dict[str, LayerCalibration]:
    """Format and scale of every tensor: the calibration's, or calibrated now."""
    if calibration is None:
        calibration = calibrated(stream(activations), spec or parse_format("se8"))
    else:
        calibration.check(layers=len(activations.tensors), channels=activations.channels, model=activations.model)
        if spec is not None:
            for number in range(len(activations.tensors)):
                calibration.check_format(number, spec)
    return {name: calibration.layer(number) for number, name in enumerate(activations.tensors)}


def replayed(
    tensors: Mapping[str, np.ndarray[Any, Any]], choices: Mapping[str, LayerCalibration], **how: Any
) -> list[Outcome]:
    """Replay with a progress bar."""
    from qse_hw.sim.replay.replay import replay

    try:
        with progress() as report:
            return replay(tensors, choices, progress=report, **how)
    except RuntimeError as error:  # the simulator's output says more than a traceback
        raise SystemExit(f"error: {error}") from error


def totals(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """Per run, formats added up."""
    runs = []
    for run in dict.fromkeys(outcome.run for outcome in outcomes):
        group = [outcome for outcome in outcomes if outcome.run == run]
        runs.append(
            {
                "run": run,
                "values": sum(outcome.values for outcome in group),
                "mismatches": sum(outcome.mismatches for outcome in group),
                "cycles": sum(outcome.cycles for outcome in group),
                "seconds": sum(outcome.seconds for outcome in group),
            }
        )
    return runs


def show(outcomes: list[Outcome], caption: str, of: str = "emitted Verilog") -> None:
    """Print one line per run."""
    rows = [
        [
            run["run"], f"{run['values']:,}", str(run["mismatches"]), f"{run['cycles']:,}",
            f"{run['values'] / run['seconds']:,.0f}",
        ]
        for run in totals(outcomes)
    ]  # fmt: skip
    table(
        f"Replay through the {of}", ["run", "values checked", "mismatches", "cycles", "values/s"], rows,
        caption=caption,
    )
