"""Calibration with a progress bar, and a warning where it will be slow."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from qse_hw.golden.calibration import pruned
from qse_hw.golden.calibration.calibrate import calibrate
from qse_hw.golden.calibration.calibration import Calibration
from qse_hw.golden.calibration.percentile import ALPHA
from qse_hw.golden.calibration.spec import FormatSpec, TunedFormat
from qse_hw.study.console import progress, warn
from qse_hw.study.sources import LayerStream


def calibrated(
    stream: LayerStream, spec: FormatSpec, *, mode: str = "free", alpha: float = ALPHA, scale_bits: int = 16
) -> Calibration:
    """Calibrate with a progress bar."""
    warn_of_slow_search([spec])
    with progress() as report:
        report(f"calibrating {spec}", 0)
        result = calibrate(
            stream.layers, spec, model=stream.model, mode=mode, alpha=alpha, scale_bits=scale_bits,
            progress=lambda layer: report(f"calibrating {spec}", (layer + 1) / stream.count),
        )  # fmt: skip
    return result.with_norm_groups(stream.norm_groups)


def warn_of_slow_search(specs: Iterable[Any]) -> None:
    """Say it, once, if formats are to be tuned without the compiled search."""
    if any(isinstance(spec, TunedFormat) for spec in specs) and (reason := pruned.why_not()) is not None:
        _warn_once(f"Tuning formats takes up to a hundred times as long without its compiled search: {reason}")


@cache
def _warn_once(sentence: str) -> None:
    warn(sentence)
