"""The scale of x by a percentile, as in Quamba (arXiv 2410.13229); by least squared error:
:mod:`qse_hw.golden.calibration.fitting`.
"""

from numbers import Real

import numpy as np

from qse_hw.golden.calibration.histogram import Values, check_values
from qse_hw.golden.checks import instance
from qse_hw.golden.errors import InputError

SEQUENCE = 512  # tokens per calibration sample (the recipe)
MOMENTUM = 0.01  # of the moving average over samples (the recipe)
ALPHA = 0.9995  # as in Quamba's published code; its first paper states 0.99999


def percentile_step(x: Values, alpha: float = ALPHA) -> float:
    """Quamba's step of the SSM input: the alpha-quantile of |x| (linear interpolation) over 127.

    Args:
        x: (tokens, channels); samples are runs of 512 tokens, averaged by ``m += 0.01 * (quantile - m)``.
        alpha: above 0, at most 1.

    Raises:
        InputError: for another alpha, and where the quantile is zero or there are no values.
    """
    check_alpha(alpha)
    check_values(x)
    mean = None
    for begin in range(0, len(x), SEQUENCE):
        # in float64: the magnitude of -128 does not fit int8
        sample = np.abs(x[begin : begin + SEQUENCE].astype(np.float64)).reshape(-1)
        quantile = float(np.quantile(sample, alpha))
        mean = quantile if mean is None else mean + MOMENTUM * (quantile - mean)
    if not mean:
        raise InputError(f"Activations must not be zero up to their {alpha} quantile, a scale would be 0")
    return mean / 127


def check_alpha(alpha: float) -> None:
    """InputError unless ``alpha`` is above 0 and at most 1."""
    instance(alpha, Real, "Alpha", "a number above 0 and at most 1")
    if not 0 < alpha <= 1:
        raise InputError(f"Alpha must be above 0 and at most 1, not {alpha!r}")
