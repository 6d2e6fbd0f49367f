"""Time steps: the array function against the scalar one and against the integer model's layer; words; refusals."""

from collections import Counter

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.functions import Unit
from qse_hw.golden.models.integer.scalar_arithmetic import ScalarArithmetic
from qse_hw.golden.reference.time_step import Parameters, pack_parameters, sum_scalar, time_steps, unpack_parameters

UNIT = Unit("softplus", FixedPoint(bits=16, exponent=-10), FixedPoint(bits=18, exponent=-13))


def draw(rng, channels):
    return Parameters(rng.integers(0, 32, channels), rng.integers(-(1 << 17), 1 << 17, channels))


def test_against_the_integer_model(rng):
    """As :meth:`Mamba1Scalar.step` computes them, with the model's own softplus."""
    parameters = draw(rng, 60)
    parameters.places[:40] = rng.integers(0, 3, 40)
    parameters.bias[:30] = rng.integers(-9000, 9000, 30)
    dt = rng.integers(-(1 << 15), 1 << 15, (20, 60)) >> rng.integers(0, 15, (20, 60))
    steps, clamped = time_steps(dt, parameters, UNIT.core)
    flags = Counter()
    arithmetic = ScalarArithmetic(3, flags)
    for token, row in enumerate(dt.tolist()):
        for c, (value, places, bias) in enumerate(zip(row, *(part.tolist() for part in parameters), strict=True)):
            total = arithmetic.saturate("dt_sum", (value << places) + bias, UNIT.input.high)
            assert sum_scalar(value, places, bias, 16) == (total, clamped[token, c])
            assert steps[token, c] == UNIT.scalar(total)
    assert 0 < clamped.sum() == flags[3, "dt_sum"] < clamped.size


@pytest.mark.parametrize("lanes", [1, 3])
def test_words_and_back(lanes, rng):
    parameters = draw(rng, 6)
    words = pack_parameters(parameters, width=16, lanes=lanes)
    assert words.addresses.tolist() == ([0, 1, 2, 3, 4, 5] if lanes == 1 else [0, 1, 2, 4, 5, 6])
    for one, back in zip(parameters, unpack_parameters(words.words, 16), strict=True):
        np.testing.assert_array_equal(one, back)


@pytest.mark.parametrize(
    ("places", "bias", "text"),
    [
        ([0, 32], [0, 0], "Time steps' places must be from 0 to 31, not 0 to 32"),
        ([-1, 0], [0, 0], "Time steps' places must be from 0 to 31, not -1 to 0"),
        ([0, 0], [0, 1 << 17], "Time steps' bias must be from -131072 to 131071, not 0 to 131072"),
        ([0, 0], [0], "Time steps' bias must be of 2 channels, not of 1"),
    ],
)
def test_refused(places, bias, text):
    with pytest.raises(InputError, match=text):
        pack_parameters(Parameters(np.array(places), np.array(bias)), width=16, lanes=1)
