"""Arg max of integers: the array function against the scalar one, ties, one value."""

from qse_hw.golden.reference.argmax import argmax, argmax_scalar


def test_the_first_of_equals():
    assert argmax_scalar([3, 7, -2, 7]) == (1, 7)
    assert argmax_scalar([-5]) == (0, -5)
    assert argmax_scalar([-8, -8, -8]) == (0, -8)


def test_arrays(rng):
    """With values of few bits, most tokens have their largest value several times."""
    for bits, size in ((2, 9), (24, 50), (32, 7)):
        values = rng.integers(-1 << (bits - 1), 1 << (bits - 1), (40, size))
        indices, largest = argmax(values)
        assert list(zip(indices, largest, strict=True)) == [argmax_scalar(token) for token in values.tolist()]
