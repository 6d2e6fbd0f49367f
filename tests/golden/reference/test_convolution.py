"""The convolution in integers: scalar, arrays, the integer model's; words of parameters and back."""

from collections import Counter

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.products import Convolution, Multiplier
from qse_hw.golden.models.integer.scalar_arithmetic import ScalarArithmetic
from qse_hw.golden.reference.convolution import (
    Parameters,
    convolve,
    convolve_scalar,
    max_bias,
    pack_parameters,
    requantize_scalar,
    unpack_parameters,
    windows,
)

WIDTHS = [(3, 4, 16), (5, 2, 8), (4, 3, 12)]  # channels, taps, bits of the inputs


def draw(rng, channels, width, bits):
    """Parameters of every size, with the extremes."""
    limit = max_bias(bits, width)
    taps = rng.integers(-128, 128, (channels, width))
    bias = rng.integers(-limit, limit + 1, channels) >> rng.integers(0, 31, channels)
    taps[0], bias[0], bias[1] = -128, limit, -limit
    return Parameters(taps, bias, rng.integers(0, 1 << 16, channels), rng.integers(0, 64, channels))


@pytest.mark.parametrize(("channels", "width", "bits"), WIDTHS)
def test_arrays_equal_the_scalar_and_the_integer_model(channels, width, bits, rng):
    parameters = draw(rng, channels, width, bits)
    values = rng.integers(-1 << (bits - 1), 1 << (bits - 1), (20, channels))
    values[5:10] = -1 << (bits - 1)
    first = np.zeros((20, channels), np.bool_)
    first[[0, 11, 12]] = True
    seen = windows(values, first, width)
    outputs, saturated = convolve(seen, parameters)
    assert 0 < saturated.sum() < saturated.size
    conv = Convolution(taps=parameters.taps, bias=parameters.bias, by=Multiplier(parameters.M, parameters.k))
    flags = Counter()
    arithmetic, window = ScalarArithmetic(0, flags), [[0] * (width - 1) for _ in range(channels)]
    for token, now in enumerate(values.tolist()):
        if first[token, 0]:
            window = [[0] * (width - 1) for _ in range(channels)]
        want = [
            convolve_scalar(seen[token, c].tolist(), *(getattr(parameters, name)[c].tolist() for name in
                            ("taps", "bias", "M", "k")))
            for c in range(channels)
        ]  # fmt: skip
        assert outputs[token].tolist() == [one.value for one in want]
        assert saturated[token].tolist() == [one.saturated for one in want]
        model = arithmetic.convolve(conv, window, now, FixedPoint(bits=16, exponent=0))
        assert model == outputs[token].tolist()
    assert flags[0, "conv_sum"] == saturated.sum()


def test_mixed_sequences_have_past_inputs_of_their_own(rng):
    values, numbers = rng.integers(-9, 9, (12, 3)), rng.integers(0, 2, 12)
    first = np.repeat(rng.random((12, 1)) < 0.2, 3, axis=1)
    mixed = windows(values, first, 3, numbers)
    for number in (0, 1):
        own = numbers == number
        np.testing.assert_array_equal(mixed[own], windows(values[own], first[own], 3))


@pytest.mark.parametrize(
    ("a", "M", "k", "value", "saturated"),
    [(1, 1, 1, 1, False), (-1, 1, 1, 0, False), (-3, 1, 1, -1, False), (32767, 1, 0, 32767, False),
     (65535, 1, 1, 32767, True), (-65537, 1, 1, -32768, False), (-65538, 1, 1, -32768, True),
     (2**31 - 1, 65535, 63, 0, False)],
)  # fmt: skip
def test_rounding(a, M, k, value, saturated):
    assert requantize_scalar(a, M, k) == (value, saturated)


def test_every_k_in_arrays(rng):
    """The bit below the last one that is kept is int64's highest for k = 63, if 2^k is halved."""
    k = np.arange(64)
    for a in (1 << 30, -1 << 30, 5, -5, -1):
        parameters = Parameters(np.full((64, 2), 1), np.zeros(64, np.int64), np.full(64, 65535), k)
        outputs, saturated = convolve(np.stack([np.full(64, a), np.zeros(64, np.int64)], axis=1), parameters)
        want = [requantize_scalar(a, 65535, int(one)) for one in k]
        assert list(zip(outputs.tolist(), saturated.tolist(), strict=True)) == want


@pytest.mark.parametrize("lanes", [1, 3])
def test_words_and_back(lanes, rng):
    parameters = draw(rng, 6, 3, 16)
    words = pack_parameters(parameters, input_bits=16, lanes=lanes)
    assert words.addresses.tolist() == ([0, 1, 2, 3, 4, 5] if lanes == 1 else [0, 1, 2, 4, 5, 6])
    back = unpack_parameters(words.words, 3)
    for name, values in parameters._asdict().items():
        np.testing.assert_array_equal(getattr(back, name), values)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"taps": np.full((2, 4), 128)}, "Convolution's taps must be from -128 to 127, not 128 to 128"),
        ({"bias": np.array([0, 1 << 31])}, "Convolution's bias must be from -2130706431 to 2130706431, not 0 to"),
        ({"M": np.array([-1, 0])}, "Convolution's M must be from 0 to 65535, not -1 to 0"),
        ({"k": np.array([64, 0])}, "Convolution's k must be from 0 to 63, not 0 to 64"),
        ({"k": np.array([0])}, "Convolution's k must be of 2 channels, not of 1"),
    ],
)  # fmt: skip
def test_refused(change, text):
    parameters = Parameters(np.zeros((2, 4), np.int64), *np.zeros((3, 2), np.int64))
    with pytest.raises(InputError, match=text):
        pack_parameters(parameters._replace(**change), input_bits=16, lanes=1)
