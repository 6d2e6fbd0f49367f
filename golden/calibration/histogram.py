"""A tensor's distinct values and their weights: the error of a quantizer in a time that the tensor's size does not
affect.
"""

import math
from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.calibration.quantizers import Quantizer
from qse_hw.golden.errors import InputError

MIN_PEAK, MAX_PEAK = 2.0**-70, 2.0**90  # so that every step the search tries is one that a Scale may have

Values = npt.NDArray[np.floating[Any]]
_Floats = npt.NDArray[np.float32]
_Weights = npt.NDArray[np.float64]
_PART = 1 << 20  # values looked at together


class Histogram:
    """The distinct values of a tensor, to 11 significant bits, ascending, and the weight of each.

    The rounding is 70 dB below the signal, far below any 8-bit format's error. Integers that span less than 2**16 are
    not rounded. Without ``weights`` (of x's shape) every value weighs 1; with them, squared errors are weighted.

    Args:
        x: floating point or integers, any shape, at least one value, not all zero, of a peak from 2**-70 to 2**90.
        weights: finite, not negative, not all zero.

    Attributes:
        values: float32 (distinct,), ascending.
        counts: float64 (distinct,), the weights, all positive.
        low, high, peak: least value, greatest value, greatest magnitude.
        mean_weight: of a value of the tensor.
        limits: the least and the greatest value that the tensor's dtype has; infinite for floating point.
        power: weighted sum of squares.

    Raises:
        InputError: for anything else.
    """

    def __init__(self, x: Values, weights: Values | None = None) -> None:
        check_values(x)
        self.low, self.high = float(x.min()), float(x.max())
        self.peak = max(self.high, -self.low)  # not abs: the least integer's magnitude may not fit its dtype
        if self.peak == 0:
            raise InputError("Activations must not all be zero, a scale would be 0")
        if not MIN_PEAK <= self.peak <= MAX_PEAK:
            raise InputError(f"Activations must have a peak from 2**-70 to 2**90, not {self.peak:.4g}")
        count = _count_integers if _are_few_integers(x) else _count_rounded
        self.values, self.counts = count(x, weights, self.peak)
        self.power = _sum(self.counts, self.values)
        if self.power == 0:
            raise InputError("Activations must not all have a weight of zero")
        self.mean_weight = float(self.counts.sum()) / x.size
        self.limits = -math.inf, math.inf
        if x.dtype.kind in "iu":
            integers = np.iinfo(str(x.dtype))
            self.limits = float(integers.min), float(integers.max)

    def squared_error(self, quantizer: Quantizer) -> float:
        """Weighted sum over the tensor of the squared difference to its decoded codes."""
        return _sum(self.counts, quantizer.array(self.values) - self.values)

    def sqnr_db(self, quantizer: Quantizer) -> float:
        """``10 log10(power / squared_error)``; infinite if nothing is lost."""
        error = self.squared_error(quantizer)
        return 10 * math.log10(self.power / error) if error else math.inf

    def least_error(self, fine: float, reach: float) -> float:
        """A lower bound of the squared error of quantizers whose levels are multiples of ``fine`` up to +-``reach``."""
        size = np.abs(self.values)
        return _sum(self.counts, np.where(size < fine / 2, size, np.maximum(size - np.float32(reach), 0)))


def pooled(histograms: Sequence[Histogram], weights: Sequence[float]) -> Histogram:
    """The histogram of several tensors' values together; the counts of each are multiplied by its weight, positive."""
    pool = copy(histograms[0])
    every = np.concatenate([one.values for one in histograms])
    counts = np.concatenate([one.counts * weight for one, weight in zip(histograms, weights, strict=True)])
    pool.values, place = np.unique(every, return_inverse=True)
    pool.counts = np.bincount(place, counts).astype(np.float64)
    pool.low, pool.high = min(one.low for one in histograms), max(one.high for one in histograms)
    pool.peak = max(pool.high, -pool.low)
    pool.power = _sum(pool.counts, pool.values)
    sizes = sum(float(one.counts.sum()) / one.mean_weight for one in histograms)
    pool.mean_weight = float(pool.counts.sum()) / sizes
    pool.limits = max(one.limits[0] for one in histograms), min(one.limits[1] for one in histograms)
    return pool


def sqnr_db(x: Values, quantizer: Quantizer) -> float:
    """SQNR of the tensor itself in dB, ``10 log10(sum x**2 / sum (x - decoded)**2)``; infinite if nothing is lost."""
    power = error = 0.0
    rows = x.reshape(-1, x.shape[-1])  # some quantizers have a scale per group of channels
    step = max(1, (1 << 20) // x.shape[-1])
    for begin in range(0, len(rows), step):
        part = rows[begin : begin + step].astype(np.float32)
        power += float(np.square(part, dtype=np.float64).sum())
        error += float(np.square(quantizer.array(part) - part, dtype=np.float64).sum())
    return 10 * math.log10(power / error) if power and error else math.inf


def float32_pieces(x: Values) -> Iterator[npt.NDArray[np.float32]]:
    """The values as float32, a million at a time."""
    flat = x.reshape(-1)
    for begin in range(0, flat.size, _PART):
        yield flat[begin : begin + _PART].astype(np.float32)


def check_values(x: Values) -> None:
    """InputError unless x has values, and they are real numbers."""
    if x.dtype.kind in "bcOSUmM":
        raise InputError(f"Activations must be floating point or integers, not {x.dtype}")
    if not x.size:
        raise InputError(f"Activations must have at least one value, but have shape {x.shape}")


def _are_few_integers(x: Values) -> bool:
    """Whether every value can be counted separately, exactly in float32."""
    if x.dtype.kind not in "iu":
        return False
    low, high = int(x.min()), int(x.max())
    return high - low < 1 << 16 and max(high, -low) <= 1 << 24


def _count_integers(x: Values, weights: Values | None, peak: float) -> tuple[_Floats, _Weights]:
    """The values that occur, and the weight of each, not rounded."""
    low = int(x.min())
    counts = np.zeros(int(x.max()) - low + 1)
    flat = x.reshape(-1)
    for begin, weight in zip(range(0, x.size, _PART), _weights(x, weights), strict=True):
        counts += np.bincount(flat[begin : begin + _PART].astype(np.int64) - low, weight, minlength=len(counts))
    occurring = np.flatnonzero(counts)
    return (occurring + low).astype(np.float32), counts[occurring]


def _count_rounded(x: Values, weights: Values | None, peak: float) -> tuple[_Floats, _Weights]:
    """The values that occur, rounded to float16's significant bits, and the weight of each."""
    unit = np.float32(2.0 ** math.frexp(peak)[1])  # a power of two: scaling is exact
    counts = np.zeros(1 << 16)
    for part, weight in zip(float32_pieces(x), _weights(x, weights), strict=True):
        patterns = (part / unit).astype(np.float16).view(np.uint16)
        counts += np.bincount(patterns, weight, minlength=1 << 16)
    counts[0] += counts[1 << 15]  # -0 is 0
    counts[1 << 15] = 0
    patterns = np.flatnonzero(counts).astype(np.uint16)
    values = patterns.view(np.float16).astype(np.float32) * unit
    order = np.argsort(values, kind="stable")
    return values[order], counts[patterns][order]


def _sum(weights: npt.NDArray[np.float64], values: Values) -> float:
    """Weighted sum of squares; not a BLAS product, whose order of summation depends on the processor."""
    return float((weights * np.square(values, dtype=np.float64)).sum())


def _weights(x: Values, weights: Values | None) -> Iterator[Values | None]:
    if weights is not None:
        if weights.shape != x.shape:
            raise InputError(f"Weights must have the activations' shape {x.shape}, not {weights.shape}")
        if not (np.isfinite(weights).all() and float(weights.min()) >= 0):
            raise InputError("Weights must be finite and not negative")
        yield from float32_pieces(weights)
    else:
        yield from (None for _ in range(0, x.size, _PART))
