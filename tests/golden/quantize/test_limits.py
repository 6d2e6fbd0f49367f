"""Limits are those of the contract, and what is exactly at one is accepted."""

import inspect

import pytest

from qse_hw.golden.calibration import histogram, segmentation
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import MAX_LOG2_STEP, MAX_SCALE_BITS, Scale
from qse_hw.golden.reference import vectors
from qse_hw.golden.reference.linear import MAX_ACCUMULATOR, MAX_PRODUCTS, Tiling


def test_constants():
    assert MAX_ACCUMULATOR == 2**31 - 1, "int32"
    assert segmentation.STEPS == 8
    assert (histogram.MIN_PEAK, histogram.MAX_PEAK) == (2.0**-70, 2.0**90)
    assert vectors.RANDOM == 16384
    assert inspect.signature(vectors.encoder_vectors).parameters["seed"].default == 0


def test_the_largest_step():
    k = MAX_LOG2_STEP + MAX_SCALE_BITS
    assert Scale(M=1 << (MAX_SCALE_BITS - 1), k=k - 1, bits=MAX_SCALE_BITS).k == k - 1
    with pytest.raises(InputError):
        Scale(M=1 << (MAX_SCALE_BITS - 1), k=k + 1, bits=MAX_SCALE_BITS)


def test_as_many_products_as_there_may_be():
    assert Tiling(inputs=MAX_PRODUCTS, outputs=1, rows=1, columns=MAX_PRODUCTS).columns == MAX_PRODUCTS
    with pytest.raises(InputError):
        Tiling(inputs=2 * MAX_PRODUCTS, outputs=1, rows=1, columns=MAX_PRODUCTS + 1)
