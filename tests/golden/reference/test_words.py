"""Fields of words: bytes as they are documented, and back."""

import numpy as np

from qse_hw.golden.reference.words import as_signed, join_fields, split_fields


def test_the_first_field_is_in_the_low_bits():
    fields = [(np.array([0b101]), 3), (np.array([-1]), 2), (np.array([0x1FF]), 12)]
    assert join_fields(fields).tolist() == [[0b11111101, 0b00111111, 0]]


def test_there_and_back(rng):
    sizes = (1, 7, 40, 63)
    values = [rng.integers(-1 << (size - 1), 1 << (size - 1), 50) for size in sizes]
    words = join_fields(list(zip(values, sizes, strict=True)))
    assert words.shape == (50, 14)
    for field, value, size in zip(split_fields(words, sizes), values, sizes, strict=True):
        assert field.min() >= 0
        np.testing.assert_array_equal(as_signed(field, size), value)
