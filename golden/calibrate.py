"""Finding scale and format parameters of a tensor: by percentile as Quamba does, and by least squared error.

NumPy only; the search is deterministic. :mod:`golden.calibration` is the file that the result ends in.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from golden import array
from golden.errors import InputError
from golden.formats import SegmentedFormat
from golden.presets import int8_asym, load_format, se8, se8_silu
from golden.scale import Scale

SEQUENCE = 512  # tokens per calibration sample (the recipe)
MOMENTUM = 0.01  # of the moving average over samples (the recipe)
ALPHA = 0.9995  # Quamba's published code; its first paper says 0.99999
MIN_PEAK, MAX_PEAK = 2.0**-89, 2.0**104  # so that every step the search tries is one that a Scale may have

Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A format, a scale, and what they give: SQNR in dB, ``10 log10(sum x**2 / sum (x - decoded)**2)``."""

    format: SegmentedFormat
    scale: Scale
    sqnr_db: float


class Histogram:
    """A tensor as its distinct values, to 11 significant bits, and their counts: errors of candidates in a blink.

    The rounding is 70 dB below the signal, far below any 8-bit format's error.
    """

    def __init__(self, x: Values) -> None:
        self.low, self.peak = float(x.min()), float(np.abs(x).max())
        if self.peak == 0:
            raise InputError("Activations must not all be zero, a scale would be 0")
        if not MIN_PEAK <= self.peak <= MAX_PEAK:
            raise InputError(f"Activations must have a peak from 2**-89 to 2**104, not {self.peak:.4g}")
        unit = np.float32(2.0 ** math.frexp(self.peak)[1])  # a power of two: scaling is exact
        counts = np.zeros(1 << 16, np.int64)
        for part in _parts(x):
            counts += np.bincount((part / unit).astype(np.float16).view(np.uint16), minlength=1 << 16)
        patterns = np.flatnonzero(counts)
        self._values = patterns.astype(np.uint16).view(np.float16).astype(np.float32) * unit
        self._counts = counts[patterns].astype(np.float64)

    def squared_error(self, format: SegmentedFormat, scale: Scale) -> float:
        """Sum over the tensor of the squared difference to its decoded codes."""
        decoded = array.dequantise(array.quantise(self._values, format, scale), format, scale)
        return float(self._counts @ np.square(decoded - self._values, dtype=np.float64))


def sqnr_db(x: Values, format: SegmentedFormat, scale: Scale) -> float:
    """SQNR of ``x`` in dB; infinite if nothing is lost."""
    power = error = 0.0
    for part in _parts(x):
        decoded = array.dequantise(array.quantise(part, format, scale), format, scale)
        power += float(np.square(part, dtype=np.float64).sum())
        error += float(np.square(decoded - part, dtype=np.float64).sum())
    return 10 * math.log10(power / error) if power and error else math.inf


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


def by_percentile(
    x: Values, histogram: Histogram, spec: str, *, alpha: float = ALPHA, scale_bits: int = 16
) -> Choice:
    """The percentile scale; of the formats that ``spec`` leaves open, the one with the least error at that scale."""
    scale = Scale.from_step(percentile_step(x, alpha), scale_bits)
    _, format = min(_ranked(histogram, spec, [scale]), key=lambda item: item[0])
    return Choice(format=format[0], scale=scale, sqnr_db=sqnr_db(x, format[0], scale))


def by_least_squares(x: Values, histogram: Histogram, spec: str, *, scale_bits: int = 16) -> Choice:
    """Scale and format parameters with the least squared error.

    Every format that ``spec`` leaves open is tried at steps from peak/32 to peak/1024, 6 per octave; then steps within
    a sixth of an octave of the winner, 1/48 octave apart.
    """
    coarse = [Scale.from_step(histogram.peak / 32 * 2 ** (-n / 6), scale_bits) for n in range(6 * 5 + 1)]
    _, (_, scale) = min(_ranked(histogram, spec, coarse), key=lambda item: item[0])
    finer = [Scale.from_step(float(scale.step) * 2 ** (n / 48), scale_bits) for n in range(-7, 8)]
    _, (format, scale) = min(_ranked(histogram, spec, list(dict.fromkeys(finer))), key=lambda item: item[0])
    return Choice(format=format, scale=scale, sqnr_db=sqnr_db(x, format, scale))


def _ranked(
    histogram: Histogram, spec: str, scales: list[Scale]
) -> Iterator[tuple[float, tuple[SegmentedFormat, Scale]]]:
    found = False
    for scale in scales:
        for format in _family(spec, scale, histogram.low):
            found = True
            yield histogram.squared_error(format, scale), (format, scale)
    if not found:
        raise InputError(
            f"Format {spec} does not fit these activations: no zero point lets it reach their minimum, "
            f"{histogram.low:.4g}, at the scales tried; use a signed format"
        )


def _family(spec: str, scale: Scale, low: float) -> Iterator[SegmentedFormat]:
    """The formats that ``spec`` leaves open at ``scale``, for values from ``low`` up.

    A bare preset name leaves its parameters open: L of se8; K and the zero point of se8-silu; the zero point of
    int8-asym. Anything else is the one format it says.
    """

    def zero_point(f: int) -> int:
        # the smallest that keeps low within half a fine step of the floor
        fine_steps: Fraction = -Fraction(low) * scale.reciprocal * 2**f
        return max(0, math.ceil(fine_steps - Fraction(1, 2)))

    if spec == "se8":
        yield from (se8(L) for L in range(2, 16))
    elif spec == "se8-silu":
        yield from (se8_silu(K, zero_point(1)) for K in range(16, 72, 8) if zero_point(1) < K)
    elif spec == "int8-asym":
        if zero_point(0) < 256:
            yield int8_asym(zero_point(0))
    else:
        yield load_format(spec)


def _parts(x: Values) -> Iterator[npt.NDArray[np.float32]]:
    flat = x.reshape(-1)
    for begin in range(0, flat.size, 1 << 20):
        yield flat[begin : begin + (1 << 20)].astype(np.float32)
