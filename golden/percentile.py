"""Quamba's way to the scale of x: by percentile (arXiv 2410.13229). :mod:`golden.fitting` has ours."""

from numbers import Real

import numpy as np

from golden.checks import instance
from golden.errors import InputError
from golden.histogram import Values

SEQUENCE = 512  # tokens per calibration sample (the recipe)
MOMENTUM = 0.01  # of the moving average over samples (the recipe)
ALPHA = 0.9995  # Quamba's published code; its first paper says 0.99999


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
    instance(alpha, Real, "Alpha", "a number above 0 and at most 1")
    if not 0 < alpha <= 1:
        raise InputError(f"Alpha must be above 0 and at most 1, not {alpha!r}")
