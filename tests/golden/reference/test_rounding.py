"""Shifts and clamping: single numbers by fractions, arrays by single numbers, every k."""

import math
from fractions import Fraction

import numpy as np
import pytest

from qse_hw.golden.reference.rounding import clamp, clamp_array, shift, shift_array


@pytest.mark.parametrize("k", [0, 1, 2, 31, 62, 63])
def test_half_up(k, rng):
    values = [0, 1, -1, 3, -3, (1 << 61) - 1, -1 << 61, *rng.integers(-1 << 61, 1 << 61, 50).tolist()]
    values += [n << k >> 1 for n in range(-5, 6) if abs(n) << k >> 1 < 1 << 62]
    want = [math.floor(Fraction(value, 1 << k) + Fraction(1, 2)) for value in values]
    assert [shift(value, k) for value in values] == want
    assert shift_array(np.array(values), k).tolist() == want
    assert shift_array(np.array(values), np.full(len(values), k)).tolist() == want


def test_clamp():
    values = [-129, -128, -1, 0, 127, 128]
    want = [(-128, True), (-128, False), (-1, False), (0, False), (127, False), (127, True)]
    assert [clamp(value, 8) for value in values] == want
    clipped, flags = clamp_array(np.array(values), 8)
    assert list(zip(clipped.tolist(), flags.tolist(), strict=True)) == want
