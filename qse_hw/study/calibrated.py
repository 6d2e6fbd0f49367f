"""Calibration with a progress bar."""

from qse_hw.golden.calibration.calibrate import calibrate
from qse_hw.golden.calibration.calibration import Calibration
from qse_hw.golden.calibration.percentile import ALPHA
from qse_hw.golden.calibration.spec import FormatSpec
from qse_hw.study.console import progress
from qse_hw.study.sources import LayerStream


def calibrated(
    stream: LayerStream, spec: FormatSpec, *, mode: str = "free", alpha: float = ALPHA, scale_bits: int = 16
) -> Calibration:
    """Calibrate with a progress bar."""
    with progress() as report:
        report(f"calibrating {spec}", 0)
        return calibrate(
            stream.layers, spec, model=stream.model, mode=mode, alpha=alpha, scale_bits=scale_bits,
            progress=lambda layer: report(f"calibrating {spec}", (layer + 1) / stream.count),
        )  # fmt: skip
