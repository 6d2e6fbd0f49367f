"""The gate of a mixer in integers: a value times SiLU of its gate, requantized to 16 bits.

``gated = clamp(round(y * silu(gate) / 2**shift), -2**15, 2**15 - 1)``, half up, as in
:meth:`qse_hw.golden.models.integer.mamba1.scalar.Mamba1Scalar.step`. SiLU is a function unit's.
:func:`gate_scalar` is the readable truth; the array function equals it.
"""

import numpy as np
import numpy.typing as npt

from qse_hw.golden.functions.unit import FunctionUnit
from qse_hw.golden.reference import rounding
from qse_hw.golden.reference.linear import Requantized
from qse_hw.golden.reference.rounding import Flags, Integers, clamp, clamp_array

BITS = 16
"""Of a value and of the result."""
SHIFT_BITS = 6


def gate_scalar(y: int, gate: int, shift: int, silu: FunctionUnit) -> Requantized:
    """One value, and whether it was clamped."""
    return Requantized(*clamp(rounding.shift(y * silu(gate), shift), BITS))


def gated(
    y: Integers, gate: Integers, shift: Integers, silu: FunctionUnit
) -> tuple[npt.NDArray[np.int16], Flags]:
    """Results for values, gates and shifts of one shape, and whether each was clamped."""
    values, clamped = clamp_array(rounding.shift_array(y * silu.array(gate), shift), BITS)  # below 2**47 + 2**62
    return values.astype(np.int16), clamped
