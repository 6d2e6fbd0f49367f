"""What calibration chooses, and Quamba's way to a scale: by percentile. :mod:`golden.fitting` has ours."""

from dataclasses import dataclass

import numpy as np

from golden.errors import InputError
from golden.formats import SegmentedFormat
from golden.histogram import Values
from golden.quantiser import Segmented
from golden.scale import Scale

SEQUENCE = 512  # tokens per calibration sample (the recipe)
MOMENTUM = 0.01  # of the moving average over samples (the recipe)
ALPHA = 0.9995  # Quamba's published code; its first paper says 0.99999


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A format, a scale, and what they give.

    Attributes:
        format, scale: what was chosen.
        sqnr_db: SQNR of x in dB, ``10 log10(sum x**2 / sum (x - decoded)**2)``.
        output_sqnr_db: SQNR of the layer's output, before the residual is added; None: not measured.
    """

    format: SegmentedFormat
    scale: Scale
    sqnr_db: float
    output_sqnr_db: float | None = None

    @property
    def quantiser(self) -> Segmented:
        """Format and scale at work."""
        return Segmented(format=self.format, scale=self.scale)


def percentile_step(x: Values, alpha: float = ALPHA) -> float:
    """Quamba's step of the SSM input: the alpha-quantile of |x| (linear interpolation) over 127.

    Args:
        x: (tokens, channels); samples are runs of 512 tokens, averaged by ``m += 0.01 * (quantile - m)``.
        alpha: above 0, at most 1.
    """
    check_alpha(alpha)
    mean = None
    for begin in range(0, len(x), SEQUENCE):
        sample = np.abs(x[begin : begin + SEQUENCE]).reshape(-1)
        quantile = float(np.quantile(sample.astype(np.float64), alpha))
        mean = quantile if mean is None else mean + MOMENTUM * (quantile - mean)
    if not mean:
        raise InputError(f"Activations must not be zero up to their {alpha} quantile, a scale would be 0")
    return mean / 127


def check_alpha(alpha: float) -> None:
    """InputError unless ``alpha`` is a quantile that can give a scale."""
    if not 0 < alpha <= 1:
        raise InputError(f"Alpha must be above 0 and at most 1, not {alpha!r}")
