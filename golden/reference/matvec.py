"""The matrix-vector engine in integers: int8 weights times values, int32 sums, and the multiplier of every row.

A job multiplies a matrix W (rows, inputs) by a vector x::

    s[n] = sum(W[n, i] * x[i] for i)        int32

Hardware multiplies a tile of ``rows`` x ``columns`` weights per cycle: for every ``rows`` rows all beats of the vector,
``columns`` values each. Both are filled up with zeros: inputs to a multiple of ``columns``, rows to one of ``rows``.
The sums of the rows that fill up are dropped.

A sum is then requantized by its row's multiplier: to fixed point, half up
(:func:`qse_hw.golden.reference.convolution.requantize_scalar`), or to the codes of a format
(:func:`qse_hw.golden.formats.scalar.quantize`). This is the arithmetic of
:meth:`qse_hw.golden.models.integer.scalar_arithmetic.ScalarArithmetic.product`. :func:`multiply_scalar` is the readable
truth; :func:`multiply` equals it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.linear import HIGH, LOW, MAX_ACCUMULATOR

SUM_BITS, M_BITS, K_BITS = 32, 16, 6

Integers = npt.NDArray[np.integer[Any]]


class Job(NamedTuple):
    """What the engine is told to multiply.

    Attributes:
        vector: number of the buffer that holds the vector.
        beats: of the vector.
        rows: of the matrix.
        tag: passed on with every sum.
        release: whether the buffer is free afterwards.
    """

    vector: int
    beats: int
    rows: int
    tag: int = 0
    release: bool = True


def multiply_scalar(weights: Sequence[Sequence[int]], values: Sequence[int]) -> list[int]:
    """The sums (rows) of a matrix (rows, inputs) times a vector (inputs)."""
    sums = [sum(w * x for w, x in zip(row, values, strict=True)) for row in weights]
    assert all(abs(a) <= MAX_ACCUMULATOR for a in sums)
    return sums


def multiply(weights: Integers, values: Integers) -> npt.NDArray[np.int64]:
    """The sums (rows,) of a matrix (rows, inputs) times a vector (inputs,).

    Raises:
        InputError: for a sum that int32 does not hold.
    """
    sums: npt.NDArray[np.int64] = weights.astype(np.int64) @ values.astype(np.int64)
    if np.abs(sums).max(initial=0) > MAX_ACCUMULATOR:
        reach = np.abs(sums).max()
        raise InputError(f"Sums must fit into int32, but reach {reach}; use smaller values or fewer inputs")
    return sums


def count_beats(inputs: int, columns: int) -> int:
    """Beats of a vector."""
    return -(-inputs // columns)


def pack_vector(values: Integers, columns: int) -> Integers:
    """The beats (beats, columns) of a vector (inputs,), filled up with zeros."""
    padded = np.zeros(count_beats(len(values), columns) * columns, values.dtype)
    padded[: len(values)] = values
    return padded.reshape(-1, columns)


def pack_tiles(weights: Integers, *, rows: int, columns: int) -> npt.NDArray[np.int8]:
    """The weights' beats (beats, rows, columns) of a matrix (rows, inputs): tile by tile, in a tile beat by beat.

    Raises:
        InputError: for a weight that is no int8.
    """
    if weights.min() < LOW or weights.max() > HIGH:
        raise InputError(f"Weights must be from {LOW} to {HIGH}, not {weights.min()} to {weights.max()}")
    outputs, inputs = weights.shape
    tiles, beats = -(-outputs // rows), count_beats(inputs, columns)
    padded = np.zeros((tiles * rows, beats * columns), np.int8)
    padded[:outputs, :inputs] = weights
    return padded.reshape(tiles, rows, beats, columns).swapaxes(1, 2).reshape(-1, rows, columns)
