"""The LFSR of stochastic rounding: its period, and words found many at a time."""

import numpy as np

from qse_hw.golden.models.integer import lfsr

PERIOD = (1 << 32) - 1
FACTORS = (3, 5, 17, 257, 65537)


def times(matrix: list[int], word: int) -> int:
    """A linear map over GF(2), given by what it makes of every bit, of a word."""
    product = 0
    for bit in range(32):
        if word >> bit & 1:
            product ^= matrix[bit]
    return product


def power(matrix: list[int], exponent: int) -> list[int]:
    columns = [1 << bit for bit in range(32)]
    while exponent:
        if exponent & 1:
            columns = [times(matrix, word) for word in columns]
        matrix = [times(matrix, word) for word in matrix]
        exponent >>= 1
    return columns


def test_the_period_is_as_long_as_can_be():
    one = [lfsr.step(1 << bit) for bit in range(32)]
    identity = [1 << bit for bit in range(32)]
    assert np.prod(FACTORS, dtype=np.int64) == PERIOD
    assert power(one, PERIOD) == identity
    assert all(power(one, PERIOD // factor) != identity for factor in FACTORS)


def test_words_are_those_of_single_leaps():
    for first, count in ((1, 0), (1, 1), (0xDEADBEEF, 1000), (PERIOD, 64)):
        expected = [first]
        for _ in range(count):
            expected.append(lfsr.leap(expected[-1]))
        assert lfsr.words(first, count).tolist() == expected


def test_a_leap_is_sixteen_steps():
    word = 12345
    for _ in range(16):
        word = lfsr.step(word)
    assert lfsr.leap(12345) == word


def test_numbers_are_evenly_spread():
    numbers = lfsr.words(1, 1 << 17)[:-1] & 32767
    counts = np.bincount(numbers >> 7, minlength=256)
    assert abs(float(numbers.mean()) - 16383.5) < 120
    assert counts.min() > 400
    assert counts.max() < 630
