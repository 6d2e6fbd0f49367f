"""Decays as powers of two: their error, their ends, and what hardware may leave out."""

import numpy as np

from qse_hw.golden.functions.exponential import EXP2


def test_within_the_last_place_and_arrays_equal_numbers(rng):
    one = 1 << EXP2.INPUT_FRACTION
    edges = [0, 1, one - 1, one, one + 1, 15 * one, 32 * one - 1, 32 * one, 1 << 40]
    inputs = [*edges, *rng.integers(0, 33 * one, 500).tolist()]
    outputs = [EXP2.scalar(v) for v in inputs]
    assert EXP2.array(np.array(inputs)).tolist() == outputs
    for v, y in zip(inputs, outputs, strict=True):
        assert abs(y - 2.0 ** (15 - min(v, 64 * one) / one)) <= float(EXP2.ERROR) * 2**15
    assert outputs[0] == 32768
    assert outputs[8] == 0


def test_the_core_alone_at_every_input():
    """It gives the same without the limits: never more than 1, and 0 from 17 on up to the end of its input."""
    last = -EXP2.core.low
    assert last == 1 << 21
    outputs = EXP2.core.array(-np.arange(last + 1))
    assert (outputs.min(), outputs.max()) == (0, EXP2.ONE)
    assert not outputs[EXP2.LAST :].any()
    np.testing.assert_array_equal(outputs[: EXP2.LAST + 1], EXP2.table)
