"""Confidence intervals for means over windows, by resampling the windows (bootstrap).

Every figure is resampled with the same draws, so that pairs stay pairs. Percentiles of resampled means are too close
together if windows are few (Hesterberg 2014, "What teachers should know about the bootstrap", section 4), so they are
moved away from the mean by the ratio of Student's t to the normal quantile.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
SEED = 2026
COVERAGE = 0.95
LEAST = 8  # windows; fewer do not show how much windows differ


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean and its 95 % interval; None and None if there are too few windows."""

    mean: float
    low: float | None
    high: float | None

    @property
    def within_noise(self) -> bool:
        """Whether 0 is in the interval, or there is none: then a difference is not significant."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high


class Bootstrap:
    """Draws of windows with replacement, the same for every estimate.

    Args:
        windows: how many there are, at least 1.
        resamples: how many draws.
        seed: of the draws.
    """

    def __init__(self, windows: int, *, resamples: int = RESAMPLES, seed: int = SEED) -> None:
        draws = np.random.default_rng(seed).integers(windows, size=(resamples, windows))
        self._shares = np.stack([np.bincount(draw, minlength=windows) for draw in draws]) / windows
        self._wider = _wider(windows) if windows >= LEAST else None

    def estimate(self, values: npt.NDArray[np.float64]) -> Estimate:
        """The mean of a value per window (windows,), and its interval."""
        mean = float(values.mean())
        if self._wider is None:
            return Estimate(mean=mean, low=None, high=None)
        tails = ((1 - COVERAGE) / 2, (1 + COVERAGE) / 2)
        low, high = mean + self._wider * (np.quantile(self._shares @ values, tails) - mean)
        return Estimate(mean=mean, low=float(low), high=float(high))

    def ratio(self, values: npt.NDArray[np.float64], reference: npt.NDArray[np.float64]) -> Estimate | None:
        """The ratio of two means over the same windows, and its interval; None if the reference's mean is 0."""
        if not reference.mean():
            return None
        mean = float(values.mean() / reference.mean())
        if self._wider is None:
            return Estimate(mean=mean, low=None, high=None)
        tails = ((1 - COVERAGE) / 2, (1 + COVERAGE) / 2)
        ratios = (self._shares @ values) / (self._shares @ reference)
        low, high = mean + self._wider * (np.quantile(ratios, tails) - mean)
        return Estimate(mean=mean, low=float(low), high=float(high))


def _wider(windows: int) -> float:
    """Student's t over the normal quantile, times sqrt(n / (n - 1)), by which resampled deviations are too small."""
    z, freedom = NormalDist().inv_cdf((1 + COVERAGE) / 2), windows - 1
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)  # Cornish and Fisher
    return t / z * math.sqrt(windows / freedom)
