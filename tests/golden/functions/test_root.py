"""The reciprocal square root of wide integers: mantissa and shift, against integer arithmetic."""

from fractions import Fraction
from math import isqrt

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.functions.root import bit_length, reciprocal_root

ERRORS = [(Fraction(1, 1 << 15), 1), (Fraction(1, 1 << 12), 1)]


def nearest(t):
    """``2**16 / sqrt(t * 2**-14)``, rounded half up: the nearest integer to ``sqrt(2**46 / t)``."""
    double = isqrt((1 << 48) // t)
    return (double + 1) // 2


@pytest.mark.every(2)
@pytest.mark.parametrize(("error", "degree"), ERRORS, ids=str)
def test_every_argument(error, degree):
    unit = reciprocal_root(input_bits=16, error=error, degree=degree)
    v = np.arange(1, 1 << 16)
    mantissa, shift = unit.array(v)
    assert ((1 << 15 <= mantissa) & (mantissa < 1 << 16)).all()
    half = (np.array([int(one).bit_length() for one in v]) - 15) // 2
    np.testing.assert_array_equal(shift, 23 + half)
    steps = int(error * (1 << 16))
    t = [int(one) << -2 * int(n) for one, n in zip(v, half, strict=True)]
    away = np.abs(mantissa - [nearest(one) for one in t])
    assert away.max() <= steps
    assert away[mantissa < (1 << 16) - 1].min() == 0
    relative = mantissa * 2.0**-shift * np.sqrt(v) - 1
    assert np.abs(relative).max() <= unit.error
    some = np.random.default_rng(3).choice(v, 300)
    for one in [1, 2, 3, 4, 65535, *some.tolist()]:
        assert unit.scalar(one) == (mantissa[one - 1], shift[one - 1])


def test_wide_integers_are_truncated():
    unit = reciprocal_root(input_bits=48)
    rng = np.random.default_rng(4)
    v = rng.integers(1, 1 << 48, 2000) >> rng.integers(0, 47, 2000)
    v = np.concatenate([np.maximum(v, 1), [1, (1 << 48) - 1, 1 << 47, 1 << 46, (1 << 46) - 1]])
    mantissa, shift = unit.array(v)
    assert [unit.scalar(one) for one in v.tolist()] == list(zip(mantissa, shift, strict=True))
    assert np.abs(mantissa * 2.0**-shift * np.sqrt(v) - 1).max() <= unit.error
    assert unit.error < 2.0**-12.9


def test_bit_lengths():
    v = [1, 2, 3, *((1 << n) + d for n in range(2, 62) for d in (-1, 0, 1))]
    assert bit_length(np.array(v)).tolist() == [one.bit_length() for one in v]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"input_bits": 15}, "Input of a reciprocal square root must have from 16 to 62 bits, not 15"),
        ({"input_bits": 63}, "Input of a reciprocal square root must have from 16 to 62 bits, not 63"),
        ({"error": Fraction(1, 8)}, "Error of a reciprocal square root must be at most 0.0625, not 0.125"),
        ({"error": Fraction(1, 1 << 18)}, "Error must be at least 7.6"),
    ],
    ids=str,
)  # fmt: skip
def test_refused(arguments, sentence):
    with pytest.raises(InputError, match=f"^{sentence}"):
        reciprocal_root(**arguments)
