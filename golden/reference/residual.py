"""The residual stream of a token: values in, or added to those before, saturated.

``new[n] = clamp(old[n] + x[n], -2**(bits-1), 2**(bits-1) - 1)``, as in
:meth:`qse_hw.golden.models.integer.scalar.ScalarMamba.step`; a new token's first values replace the old ones.
:func:`add_scalar` is the readable truth; the array function equals it.
"""

import numpy as np

from qse_hw.golden.reference.linear import Requantized
from qse_hw.golden.reference.rounding import Flags, Integers, clamp, clamp_array


def add_scalar(old: int, x: int, bits: int) -> Requantized:
    """The saturated sum of two integers of ``bits`` bits, and whether it was clamped."""
    return Requantized(*clamp(old + x, bits))


def accumulate(values: Integers, load: Flags, bits: int) -> tuple[Integers, Flags]:
    """The stream after each vector, and which of its values were clamped; both (vectors, size).

    Args:
        values: (vectors, size).
        load: (vectors, size): the value replaces the old one. Before the first vector, all are 0.
        bits: of values and results.
    """
    new, clamped = np.zeros(values.shape, np.int64), np.zeros(values.shape, np.bool_)
    old = np.zeros(values.shape[1], np.int64)
    for number, x in enumerate(values):
        total = np.where(load[number], 0, old) + x
        new[number], clamped[number] = clamp_array(total, bits)
        old = new[number]
    return new, clamped
