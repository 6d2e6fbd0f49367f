"""The integer parts of a quantized layer a second time, in Python integers and fractions."""

from fractions import Fraction

import numpy as np


def clamp(value: int) -> int:
    return min(127, max(-128, value))


def away(value: Fraction) -> int:
    """Nearest integer, ties away from zero."""
    magnitude = int(abs(value) + Fraction(1, 2))
    return magnitude if value >= 0 else -magnitude


def even(value: Fraction) -> int:
    """Nearest integer, ties to even."""
    floor, rest = divmod(value, 1)
    up = rest > Fraction(1, 2) or (rest == Fraction(1, 2) and floor % 2 == 1)
    return int(floor) + up


def codes(values, scale, rounding) -> np.ndarray:
    """int8 codes of floats: the value times M / 2^k exactly, rounded by ``rounding``, clamped."""
    ratio = Fraction(scale.M) / Fraction(2) ** scale.k
    flat = [clamp(rounding(Fraction(float(value)) * ratio)) for value in np.asarray(values).reshape(-1)]
    return np.array(flat, np.int64).reshape(np.shape(values))


def weight(values) -> tuple[np.ndarray, Fraction]:
    """Codes and step of a weight."""
    flat = [Fraction(float(value)) for value in np.asarray(values).reshape(-1)]
    step = max(abs(value) for value in flat) / 127
    return np.array([even(value / step) for value in flat], np.int64).reshape(np.shape(values)), step


def linear(x, weights) -> np.ndarray:
    """(rows, in) times (out, in): sums of products of Python integers."""
    x, weights = np.asarray(x).tolist(), np.asarray(weights).tolist()
    return np.array([[sum(a * w for a, w in zip(row, out, strict=True)) for out in weights] for row in x])


def requantize(accumulators, accumulator_step: Fraction, output_step: Fraction) -> np.ndarray:
    """Codes by the 16-bit multiplier nearest to the ratio of the steps."""
    ratio = accumulator_step / output_step
    k = 0
    while ratio * Fraction(2) ** k < 1 << 15:
        k += 1
    while ratio * Fraction(2) ** k >= 1 << 16:
        k -= 1
    by = Fraction(even(ratio * Fraction(2) ** k)) / Fraction(2) ** k
    flat = [clamp(even(int(a) * by)) for a in np.asarray(accumulators).reshape(-1)]
    return np.array(flat, np.int64).reshape(np.shape(accumulators))
