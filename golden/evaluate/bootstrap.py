"""Intervals for means over windows, by resampling the windows: a difference that chance can make is no difference.

Every figure is resampled with the same draws, so that what is paired stays paired.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
SEED = 2026
COVERAGE = 0.95


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean and its 95 % interval; None and None where one window alone cannot tell."""

    mean: float
    low: float | None
    high: float | None

    @property
    def within_noise(self) -> bool:
        """Whether 0 is in the interval, or there is none: then a difference must not be called one."""
        return self.mean == 0 or self.low is None or self.high is None or self.low <= 0 <= self.high


class Bootstrap:
    """Draws of windows with replacement, the same for all that is estimated.

    Args:
        windows: how many there are.
        resamples: how many draws.
        seed: of the draws.
    """

    def __init__(self, windows: int, *, resamples: int = RESAMPLES, seed: int = SEED) -> None:
        draws = np.random.default_rng(seed).integers(windows, size=(resamples, windows))
        self._shares = np.stack([np.bincount(draw, minlength=windows) for draw in draws]) / windows

    def estimate(self, values: npt.NDArray[np.float64]) -> Estimate:
        """The mean of a value per window (windows,), and between which bounds 95 % of the resampled means lie."""
        mean = float(values.mean())
        if len(values) < 2:
            return Estimate(mean=mean, low=None, high=None)
        tails = ((1 - COVERAGE) / 2, (1 + COVERAGE) / 2)
        low, high = np.quantile(self._shares @ values, tails)
        return Estimate(mean=mean, low=float(low), high=float(high))
