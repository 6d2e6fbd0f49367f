"""``linear`` and its requantization against exact fractions, and against torch.round where float64 is exact."""

from collections.abc import Callable
from fractions import Fraction
from functools import partial

import numpy as np
import torch

from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference.linear import linear, requantize, zero_point_bias
from tests.golden.formats import oracles
from tests.oracles.comparison import Comparison, same

SCALES = ((65535, 16), (40961, 22), (32768, 15), (32769, 30), (50000, 24), (60001, 36), (1, 1), (3, 2), (1, 16))


def rounded(a: np.ndarray, M: int, k: int) -> np.ndarray:
    """a * M / 2**k, half to even, by torch.round: the product is below 2**47 and 2**k a power of two, so exact."""
    return torch.round(torch.from_numpy(a.astype(np.float64)) * M / 2.0**k).to(torch.int64).numpy()


def half_to_even(value: Fraction) -> int:
    """The nearest integer, of two the even one."""
    below = value.numerator // value.denominator
    twice = 2 * (value - below)
    return below + (twice > 1 or (twice == 1 and below % 2 == 1))


def accumulators(M: int, k: int) -> np.ndarray:
    """int32: random over all magnitudes, and those around every half."""
    rng = np.random.default_rng([M, k])
    drawn = rng.integers(-(1 << 31), 1 << 31, 20000) >> rng.integers(0, 32, 20000)
    halves = (np.arange(-259, 260) << k) // (2 * M)
    near = (halves[:, None] + np.arange(-1, 3)).reshape(-1)
    return np.concatenate([drawn, near[np.abs(near) < 1 << 31]])


def against_torch() -> Comparison:
    """Values and saturation."""
    pairs = []
    for M, k in SCALES:
        a = accumulators(M, k)
        values, saturated = requantize(a, M, k)
        want = rounded(a, M, k)
        pairs += [(values, np.clip(want, -128, 127)), (saturated, (want < -128) | (want > 127))]
    return same("torch.round, float64", *pairs)


def against_fractions(name: str) -> Comparison:
    """Codes times weights from the format's description (tests.golden.formats.oracles), summed and rounded as
    fractions.
    """
    format, oracle = oracles.make(name), oracles.ORACLES[name]
    values = oracle.values
    fine = max(value.denominator for value in values.values())
    rng, codes = np.random.default_rng(2601), np.array(sorted(values))
    pairs = []
    for M, k in ((40961, 24), (1, 5), (3, 12), (65535, 27)):
        scale = Scale(M=M, k=k, bits=M.bit_length())
        drawn, weights = rng.choice(codes, (12, 40)), rng.integers(-128, 128, (8, 40))
        outputs, saturated = linear(drawn, weights, zero_point_bias(weights, format), format, scale)
        exact = np.array([[values[code] * fine for code in vector] for vector in drawn.tolist()])  # of Fractions
        sums = exact @ weights.astype(object).T * Fraction(M, 1 << k)
        want = np.array([[half_to_even(value) for value in row] for row in sums.tolist()])
        pairs += [(outputs, np.clip(want, -128, 127)), (saturated, (want < -128) | (want > 127))]
    return same("the format's description in fractions", *pairs)


CHECKS: dict[str, Callable[[], Comparison]] = {
    "requantize, int32 around every half and random": against_torch,
    **{f"linear, {name}": partial(against_fractions, name) for name in oracles.SHIPPED},
}
