"""Functions of fixed-point numbers, rounded to the nearest fixed-point number: tables and range reduction.

Nearest-value tables; the arithmetic of the hardware's function units, within an error bound, is
:mod:`qse_hw.golden.functions`. The integer model does not use it yet. Every unit takes a Python integer (``scalar``) or
an array of int64 (``array``).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.models.integer.formats import FixedPoint

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def _silu(v: Floats) -> Floats:
    values: Floats = v / (1 + np.exp(-v))
    return values


def _softplus(v: Floats) -> Floats:
    return np.logaddexp(v, 0)


FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {"silu": _silu, "softplus": _softplus}


@dataclass(frozen=True)
class Unit:
    """A function of 16-bit fixed-point numbers, saturated to the output's type."""

    name: str
    input: FixedPoint
    output: FixedPoint
    table: Integers = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _table(self.name, self.input, self.output))

    def scalar(self, x: int) -> int:
        """The output's integer for the input's integer."""
        return int(self.table[x + self.input.high + 1])

    def array(self, x: Integers) -> Integers:
        """:meth:`scalar` of every integer."""
        return self.table.take(x + (self.input.high + 1))


@cache
def _table(name: str, input: FixedPoint, output: FixedPoint) -> Integers:
    integers = np.arange(-input.high - 1, input.high + 1)
    with np.errstate(over="ignore"):
        values = FUNCTIONS[name](np.ldexp(integers.astype(np.float64), input.exponent))
    rounded = np.floor(np.ldexp(values, -output.exponent) + 0.5).clip(-output.high - 1, output.high)
    return rounded.astype(np.int64)


class Exp2:
    """``2**-v`` for v >= 0 with 16 fraction bits, as an integer with 15: 0 to 32768, rounded half up."""

    INPUT_FRACTION, OUTPUT_FRACTION = 16, 15
    _TABLE_FRACTION = 30
    _MASK = (1 << INPUT_FRACTION) - 1
    LAST = OUTPUT_FRACTION + 2  # from here on every output rounds to 0

    def __init__(self) -> None:
        fractions = np.arange(1 << self.INPUT_FRACTION) / (1 << self.INPUT_FRACTION)
        self.table = np.floor(np.ldexp(np.exp2(fractions), self._TABLE_FRACTION) + 0.5).astype(np.int64)
        self._shift = self._TABLE_FRACTION - self.OUTPUT_FRACTION

    def scalar(self, v: int) -> int:
        """-v is split into an integer and a fraction of 0 or more."""
        fraction = -v & self._MASK
        shift = self._shift + min((v + fraction) >> self.INPUT_FRACTION, self.LAST)
        return (int(self.table[fraction]) + (1 << (shift - 1))) >> shift

    def array(self, v: Integers) -> Integers:
        fraction = -v & self._MASK
        shift = self._shift + np.minimum((v + fraction) >> self.INPUT_FRACTION, self.LAST)
        rounded: Integers = (self.table.take(fraction) + (1 << (shift - 1))) >> shift
        return rounded


class Root(NamedTuple):
    """``mantissa * 2**-shift``, 2**15 <= mantissa < 2**16."""

    mantissa: Any
    shift: Any


class ReciprocalRoot:
    """``v**-0.5`` for 1 <= v < 2**62: v is truncated to its top 15 or 16 bits, and the mantissa is rounded."""

    _BITS = 16

    def __init__(self) -> None:
        f = np.arange(1, 1 << self._BITS) * 2.0 ** (2 - self._BITS)  # 1 <= f < 4 is used
        self.table = np.zeros(1 << self._BITS, np.int64)
        self.table[1:] = np.minimum(np.floor(2.0**16 / np.sqrt(f) + 0.5), (1 << 16) - 1)

    def scalar(self, v: int) -> Root:
        half = -((self._BITS - v.bit_length()) // 2)  # v / 4**half has 15 or 16 bits
        cut = v >> 2 * half if half >= 0 else v << -2 * half
        return Root(int(self.table[cut]), 16 + half + (self._BITS - 2) // 2)

    def array(self, v: Integers) -> Root:
        half = -((self._BITS - bit_length(v)) // 2)
        cut = np.where(half >= 0, v >> np.maximum(2 * half, 0), v << np.maximum(-2 * half, 0))
        return Root(self.table.take(cut), 16 + half + (self._BITS - 2) // 2)


def bit_length(v: Integers) -> Integers:
    """The bit lengths of integers from 1 to 2**62."""
    lengths = np.frexp(v.astype(np.float64))[1].astype(np.int64)
    exact: Integers = lengths - (v >> np.maximum(lengths - 1, 0) == 0)  # float64 may have rounded up to a power of two
    return exact


EXP2, RECIPROCAL_ROOT = Exp2(), ReciprocalRoot()
