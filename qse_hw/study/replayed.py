"""Replays of captured activations: which formats, run with a progress bar, added up, shown."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from qse_hw.golden.calibration.calibration import Calibration, LayerCalibration
from qse_hw.sim.replay.plan import Outcome
from qse_hw.study.calibrated import calibrated
from qse_hw.study.console import progress, table
from qse_hw.study.sources import Activations, stream


def choose(found: Activations, calibration: Calibration | None, format: str | None) -> dict[str, LayerCalibration]:
    """Format and scale of every tensor: the calibration's, or calibrated now."""
    if calibration is None:
        calibration = calibrated(stream(found), format or "se8")
    else:
        calibration.check(layers=len(found.tensors), channels=found.channels, model=found.model)
        if format is not None:
            for number in range(len(found.tensors)):
                calibration.check_format(number, format)
    return {name: calibration.layer(number) for number, name in enumerate(found.tensors)}


def replayed(
    tensors: Mapping[str, np.ndarray[Any, Any]], choices: Mapping[str, LayerCalibration], **how: Any
) -> list[Outcome]:
    """Replay with a progress bar."""
    from qse_hw.sim.replay.replay import replay

    try:
        with progress() as report:
            return replay(tensors, choices, progress=report, **how)
    except RuntimeError as error:  # the simulator broke; its own words say more than where we noticed
        raise SystemExit(f"error: {error}") from error


def totals(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """Per run, formats added up."""
    found = []
    for run in dict.fromkeys(outcome.run for outcome in outcomes):
        group = [outcome for outcome in outcomes if outcome.run == run]
        found.append(
            {
                "run": run,
                "values": sum(outcome.values for outcome in group),
                "mismatches": sum(outcome.mismatches for outcome in group),
                "cycles": sum(outcome.cycles for outcome in group),
                "seconds": sum(outcome.seconds for outcome in group),
            }
        )
    return found


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
