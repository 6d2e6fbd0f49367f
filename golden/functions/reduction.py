"""Symmetry and range reduction: from an input to the core's argument, and from the core's value to the output.

A unit's output is ``(sum + (relu << fraction_bits)) >> shift``, ``sum`` the polynomial's value in steps of
``2**-sum_bits``. For the even functions ``shift`` is a constant and the rounding a part of the coefficients; for the
others it depends on the input, and the result is rounded half up after the shift, or down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.functions.targets import Function, Kind, fixed

CLEARS = 3
"""A core is less than 2: shifted right by so many bits more than its fraction bits and rounded, it is 0."""

Integers = npt.NDArray[np.int64]


class Reduced(NamedTuple):
    """What an input is reduced to.

    Attributes:
        argument: of the core, an unsigned integer of ``argument_bits`` bits.
        positive: whether max(v, 0), here equal to ``argument``, is to be added; if mirrored, whether v >= 0.
        power: log2 of the factor of the core's value.
    """

    argument: int
    positive: bool
    power: int


@dataclass(frozen=True)
class Reduction:
    """The reduction of one function and input type.

    ``direct``: without symmetry and range reduction; the argument is the input minus the least input.
    ``mirrored``: of an even function: the argument is |x|, of the least integer, too, and its segment is that of x
    where x >= 0, and of ``-x - 1``, the bits of x inverted, where x < 0.

    Attributes:
        argument_bits: width of the core's argument.
        fraction_bits: of it, those after the binary point.

    Raises:
        InputError: if the input type does not suit the function.
    """

    function: Function
    input: InputType
    direct: bool = False
    mirrored: bool = False

    def __post_init__(self) -> None:
        if self.kind == "exponential" and not 0 < self.fraction_bits < self.input.width:
            raise InputError(
                f"Input of exp2 must have fraction bits, and fewer than it has bits, as s16e-11 has, "
                f"not {self.input.name}"
            )
        if self.function.kind != "root" and self.fraction_bits < 0:
            raise InputError(
                f"Input of {self.function.name} must have steps of at most 1, as s16e-11 has, not {self.input.name}"
            )

    @property
    def kind(self) -> Kind | Literal["direct", "mirrored"]:
        """How the function is reduced."""
        return "direct" if self.direct else "mirrored" if self.mirrored else self.function.kind

    @property
    def argument_bits(self) -> int:
        if self.direct:
            return self.input.width
        if self.kind in ("even", "mirrored"):
            return self.input.width - 1
        if self.kind == "exponential":
            return self.fraction_bits
        return self.fraction_bits + 2

    @property
    def fraction_bits(self) -> int:
        if self.kind == "root":  # as many as make the power of two even
            width = self.input.width - 1
            return width - 2 + (width + self.input.exponent) % 2
        return -self.input.exponent

    def reduce(self, x: int) -> Reduced:
        """What the input, ``x`` times its step, is reduced to."""
        if self.direct:
            return Reduced(x + (1 << (self.input.width - 1)), False, 0)
        if self.kind == "even":
            return Reduced(min(abs(x), self.largest), x > 0, 0)
        if self.kind == "mirrored":
            return Reduced(abs(x), x >= 0, 0)
        if self.kind == "exponential":
            return Reduced(x & ((1 << self.fraction_bits) - 1), False, x >> self.fraction_bits)
        zeros = (self.argument_bits - x.bit_length()) // 2 * 2
        return Reduced(x << zeros, False, (zeros - self.fraction_bits - self.input.exponent) // 2)

    def reduce_array(self, x: Integers) -> tuple[Integers, npt.NDArray[np.bool_], Integers]:
        """:meth:`reduce` of every integer: arguments, whether positive, powers, each of the shape of ``x``."""
        if self.direct:
            x = x + (1 << (self.input.width - 1))
        no, none = np.zeros(x.shape, np.bool_), np.zeros(x.shape, np.int64)
        if self.direct:
            return x, no, none
        if self.kind == "even":
            return np.minimum(np.abs(x), self.largest), x > 0, none
        if self.kind == "mirrored":
            return np.abs(x), x >= 0, none
        if self.kind == "exponential":
            return x & ((1 << self.fraction_bits) - 1), no, x >> self.fraction_bits
        lengths = np.frexp(x.astype(np.float64))[1].astype(np.int64)  # exact below 2**53
        zeros = (self.argument_bits - lengths) // 2 * 2
        return x << zeros, no, (zeros - self.fraction_bits - self.input.exponent) // 2

    def end_value(self, high: int, output: InputType) -> int | None:
        """The output at the domain's high end, if it is a constant of the unit, else None.

        So it is of exp2 if the end is a whole number: its value, a power of two, is an output, and no other input of
        the domain is shifted as little. (If the power is less than an output's step, it is computed as the others are.)
        """
        whole = self.kind == "exponential" and high % (1 << self.fraction_bits) == 0
        power = (high >> self.fraction_bits) - output.exponent
        return 1 << power if whole and power >= 0 else None

    def last_computed(self, high: int, output: InputType) -> int:
        """The largest input of the domain whose output is computed: the end, or the input before it."""
        return high if self.end_value(high, output) is None else high - 1

    def key(self, argument: int, positive: bool) -> int:
        """The number whose segment an argument is computed with."""
        return argument - 1 if self.mirrored and not positive else argument

    def key_array(self, argument: Integers, positive: npt.NDArray[np.bool_]) -> Integers:
        """:meth:`key` of every argument."""
        return argument - ~positive if self.mirrored else argument

    def core_values(self, arguments: Sequence[int]) -> list[int]:
        """The core, or of a direct one the function, at each argument, in ``2**-FRACTION_BITS``, rounded down."""
        if self.direct:
            least = 1 << (self.input.width - 1)
            return fixed(self.function.value, [argument - least for argument in arguments], self.fraction_bits)
        return fixed(self.function.core, arguments, self.fraction_bits)

    @property
    def largest(self) -> int:
        """The largest argument; of the even functions it stands for the least input, too, whose magnitude is 1 more."""
        return (1 << self.argument_bits) - 1

    def largest_powers(self, arguments: Integers, low: int, high: int, apart: int) -> Integers:
        """An upper bound of the power of the inputs from ``low`` to ``high`` with each argument.

        ``apart``: 0; or a power of two, for unknown arguments within that distance of the given ones that are not
        multiples of it.
        """
        if self.kind in ("even", "mirrored", "direct"):
            return np.zeros(arguments.shape, np.int64)
        if self.kind == "exponential":
            return (high - np.maximum(arguments - apart, 0)) >> self.fraction_bits
        zeros = np.zeros(arguments.shape, np.int64)
        for number in range(2, apart.bit_length() - 1 if apart else self.argument_bits, 2):
            whole = (apart > 0) | (arguments % (1 << number) == 0)
            zeros[whole & ((arguments + apart) >> number >= low)] = number
        return (zeros - self.fraction_bits - self.input.exponent) // 2

    def shifts(self, powers: Integers, sum_bits: int, output: InputType) -> Integers:
        """By how many bits a sum is shifted right to become the output; at most as many as clear it."""
        shifts = sum_bits + output.exponent - powers
        return np.minimum(shifts, sum_bits + CLEARS) if self.shift_varies else shifts

    @property
    def shift_varies(self) -> bool:
        """Whether the shift depends on the input, so that rounding follows it."""
        return self.kind in ("exponential", "root")
