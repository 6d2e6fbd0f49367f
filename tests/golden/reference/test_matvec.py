"""The matrix-vector engine in integers: scalar, arrays, the integer model's sums; beats of vectors and matrices."""

from collections import Counter

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.products import Multiplier, Product
from qse_hw.golden.models.integer.scalar_arithmetic import ScalarArithmetic
from qse_hw.golden.reference.matvec import count_beats, multiply, multiply_scalar, pack_tiles, pack_vector

SHAPES = [(1, 1), (5, 7), (12, 4), (3, 30)]  # rows, inputs


@pytest.mark.parametrize(("rows", "inputs"), SHAPES)
def test_arrays_equal_the_scalar_and_the_integer_model(rows, inputs, rng):
    weights = rng.integers(-128, 128, (rows, inputs))
    values = rng.integers(-(1 << 16), 1 << 16, inputs)
    sums = multiply(weights, values)
    assert sums.tolist() == multiply_scalar(weights.tolist(), values.tolist())
    as_they_are = Product(weights=weights, by=Multiplier(np.ones(rows, np.int64), np.zeros(rows, np.int64)))
    model, to = ScalarArithmetic(0, Counter()), FixedPoint(bits=32, exponent=0)
    assert model.product("sums", as_they_are, values.tolist(), to) == sums.tolist()


def test_the_largest_sums():
    """int32 less its lowest number, which no check of a model lets through either."""
    values = np.array([131071] * 128 + [(1 << 31) - 1 - 131071 * 127 * 128])
    weights = np.array([[127] * 128 + [1]])
    assert multiply(weights, values).tolist() == [(1 << 31) - 1]
    assert multiply(-weights, values).tolist() == [-(1 << 31) + 1]
    values[-1] += 1
    for sign in (1, -1):
        with pytest.raises(InputError, match=r"^Sums must fit into int32, but reach 2147483648; use smaller values"):
            multiply(sign * weights, values)
        with pytest.raises(AssertionError):
            multiply_scalar((sign * weights).tolist(), values.tolist())


@pytest.mark.parametrize("tile", [(1, 1), (2, 3), (4, 4), (5, 8)])
@pytest.mark.parametrize("shape", SHAPES)
def test_tiles_and_vectors_multiply_to_the_sums(shape, tile, rng):
    """What hardware does with the beats: a tile at a time, and zeros beyond the matrix."""
    (outputs, inputs), (rows, columns) = shape, tile
    weights, values = rng.integers(-128, 128, shape), rng.integers(-100, 101, inputs)
    tiles, vector = pack_tiles(weights, rows=rows, columns=columns), pack_vector(values, columns)
    beats = count_beats(inputs, columns)
    assert vector.shape == (beats, columns)
    assert (tiles.dtype, tiles.shape) == (np.int8, (-(-outputs // rows) * beats, rows, columns))
    totals = []
    for first in range(0, len(tiles), beats):
        total = np.zeros(rows, np.int64)
        for part, x in zip(tiles[first : first + beats], vector, strict=True):
            total += part.astype(np.int64) @ x
        totals += total.tolist()
    assert totals == [*multiply(weights, values).tolist(), *[0] * (len(totals) - outputs)]


@pytest.mark.parametrize("wrong", [-129, 128])
def test_weights_are_int8(wrong):
    with pytest.raises(InputError, match=f"^Weights must be from -128 to 127, not {min(wrong, 0)} to {max(wrong, 0)}$"):
        pack_tiles(np.array([[0, wrong]]), rows=1, columns=1)
