"""The reciprocal square root of a wide integer as mantissa and shift: what RMSNorm divides by."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.functions.design import design
from qse_hw.golden.functions.domain import shown
from qse_hw.golden.functions.library import function_unit
from qse_hw.golden.functions.unit import FunctionUnit

Integers = npt.NDArray[np.int64]
ARGUMENT_BITS = 16
"""Of the integer, so many of its highest bits are looked at, or one fewer: an even number is dropped."""
MANTISSA_BITS = 16
MAX_INPUT_BITS = 62
ERROR = Fraction(1, 1 << 15)
"""The usual bound of the mantissa's error: that of RMSNorm in the integer model and in hardware."""
ARGUMENT = input_type(f"s{ARGUMENT_BITS + 1}e{2 - ARGUMENT_BITS}")  # 1 to 4, and a sign that is never set
MANTISSA = input_type(f"s{MANTISSA_BITS + 2}e-{MANTISSA_BITS}")  # 1/2 to 1, and a sign


class Root(NamedTuple):
    """``mantissa * 2**-shift``, 2**15 <= mantissa < 2**16; integers or arrays of int64."""

    mantissa: Any
    shift: Any


@dataclass(frozen=True)
class ReciprocalRoot:
    """``v**-0.5`` of integers from 1 to below ``2**input_bits``.

    v is truncated to its 15 or 16 highest bits, t, so that an even number of bits is dropped; the mantissa is
    ``core(t)``, where ``2**16`` counts as ``2**16 - 1``.

    Attributes:
        input_bits: 16 to 62.
        core: the function unit for 1 <= t * 2**-14 < 4.
    """

    input_bits: int
    core: FunctionUnit

    def scalar(self, v: int) -> Root:
        """Of one integer."""
        half = -((ARGUMENT_BITS - v.bit_length()) // 2)  # v / 4**half has 15 or 16 bits
        t = v >> 2 * half if half >= 0 else v << -2 * half
        return Root(min(self.core(t), self.largest), self.shift(half))

    def array(self, v: Integers) -> Root:
        """Of integers of any shape."""
        half = -((ARGUMENT_BITS - bit_length(v)) // 2)
        t = np.where(half >= 0, v >> np.maximum(2 * half, 0), v << np.maximum(-2 * half, 0))
        return Root(np.minimum(self.core.array(t), self.largest), self.shift(half))

    @staticmethod
    def shift(half: Any) -> Any:
        """The shift of an integer that ``4**half`` was divided by."""
        return MANTISSA_BITS + half + (ARGUMENT_BITS - 2) // 2

    @property
    def largest(self) -> int:
        """The largest mantissa."""
        return (1 << MANTISSA_BITS) - 1

    @property
    def error(self) -> float:
        """A bound of the relative error of ``mantissa * 2**-shift``."""
        core = float(self.core.error) * 2.0 ** (1 - MANTISSA_BITS)  # of a mantissa of 1/2 at least
        return core + 2.0 ** (1 - ARGUMENT_BITS) * (1 + core)  # v / (v truncated) < 1 + 2**(2 - ARGUMENT_BITS)


@lru_cache(maxsize=16)
def reciprocal_root(*, input_bits: int = 48, error: Fraction = ERROR, degree: int = 1) -> ReciprocalRoot:
    """The unit whose mantissa is at most ``error``, 1 being ``2**16`` of its steps, away from that of t.

    Raises:
        InputError: for arguments out of range, and for an error that no unit can keep.
    """
    if not ARGUMENT_BITS <= input_bits <= MAX_INPUT_BITS:
        raise InputError(
            f"Input of a reciprocal square root must have from {ARGUMENT_BITS} to {MAX_INPUT_BITS} bits, "
            f"not {input_bits!r}"
        )
    if not error <= Fraction(1, 16):
        raise InputError(f"Error of a reciprocal square root must be at most 0.0625, not {shown(error)}")
    find = function_unit if degree == 1 else partial(design, degree=degree)
    core = find(function="rsqrt", input=ARGUMENT, output=MANTISSA, error=error, low=Fraction(1))
    return ReciprocalRoot(input_bits, core)


def bit_length(v: Integers) -> Integers:
    """The bit lengths of integers from 1 to below 2**62."""
    lengths = np.frexp(v.astype(np.float64))[1].astype(np.int64)
    exact: Integers = lengths - (v >> np.maximum(lengths - 1, 0) == 0)  # float64 may have rounded up to a power of two
    return exact
