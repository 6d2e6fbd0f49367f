"""Running statistics of a tensor during calibration: a maximum, or a moving average of quantiles."""

import math

import numpy as np
import torch
from torch import Tensor

from qse_hw.golden.calibration.percentile import MOMENTUM
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.quamba.integer import HIGH


class MinMax:
    """The largest magnitude seen so far; ``where`` names the tensor in messages."""

    def __init__(self, where: str, limit: float = math.inf) -> None:
        self.where, self.limit, self.peak = where, limit, 0.0

    def see(self, x: Tensor) -> None:
        """Any shape."""
        peak = float(x.abs().max())  # NaN if one is in x
        if not peak <= self.limit or not math.isfinite(peak):
            rule = "finite" if self.limit == math.inf else f"within +-{self.limit:g}"
            raise InputError(f"{self.where} must be {rule}, but reaches {peak:g}; check the checkpoint")
        self.peak = max(self.peak, peak)

    def scale(self) -> Scale:
        """Step peak / 127."""
        return scale_of(self.peak, self.where, "everywhere")


class Percentile:
    """Quamba's percentile: alpha-quantiles of |x| per sequence, averaged by m += 0.01 (quantile - m) from the first on.

    Equal to :func:`qse_hw.golden.calibration.percentile.percentile_step`, without holding the text.
    """

    def __init__(self, where: str, alpha: float) -> None:
        self.where, self.alpha = where, alpha
        self.mean: float | None = None

    def see(self, x: Tensor) -> None:
        """A batch of sequences (b, ...)."""
        if not bool(torch.isfinite(x).all()):
            raise InputError(f"{self.where} must be finite, but has NaN or infinity; check the checkpoint")
        for sample in x.abs().flatten(1).cpu().numpy():
            quantile = float(np.quantile(sample.astype(np.float64), self.alpha))
            self.mean = quantile if self.mean is None else self.mean + MOMENTUM * (quantile - self.mean)

    def scale(self) -> Scale:
        """Step mean / 127."""
        return scale_of(self.mean or 0.0, self.where, f"up to its {self.alpha} quantile")


def scale_of(peak: float, where: str, extent: str) -> Scale:
    """The scale with step ``peak`` / 127; InputError if there is none."""
    if peak == 0:
        raise InputError(f"{where} must not be zero {extent}, a scale would be 0; check the checkpoint or the text")
    try:
        return Scale.from_step(peak / HIGH)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
