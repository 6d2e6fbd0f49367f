"""A function unit in integers: fixed point in, fixed point out, within an error bound for every input."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.functions.polynomial import PiecewisePolynomial
from qse_hw.golden.functions.reduction import CLEARS, Reduction

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FunctionUnit:
    """``f(x)`` of two's complement integers times a step, rounded to those of another.

    Inputs outside the domain count as its nearest end.

    Attributes:
        reduction: of the function and the input type.
        output: type of the outputs.
        low, high: the domain's ends, in steps of the input.
        error: the bound, in steps of the output.
        polynomial: of the core.
        rounds: of a function whose shift depends on the input: whether its result is rounded half up, or down.
    """

    reduction: Reduction
    output: InputType
    low: int
    high: int
    error: Fraction
    polynomial: PiecewisePolynomial
    rounds: bool = True

    def __call__(self, x: int) -> int:
        """The output, in steps, at the input of ``x`` steps."""
        x = min(max(x, self.low), self.high)
        if x == self.high and self.end_value is not None:
            return self.end_value
        argument, positive, power = self.reduction.reduce(x)
        total = self.polynomial(argument, self.reduction.key(argument, positive))
        shift = self.polynomial.sum_bits + self.output.exponent - power
        if self.reduction.shift_varies:
            shift = min(shift, self.polynomial.sum_bits + CLEARS)
            return ((total >> (shift - 1)) + 1) >> 1 if self.rounds else total >> shift
        return (total + (argument << self.slope_bits if positive else 0)) >> shift

    def array(self, x: npt.NDArray[np.integer]) -> Integers:
        """The outputs at inputs of any shape, int64."""
        inside: Integers = np.clip(x.astype(np.int64), self.low, self.high)
        argument, positive, power = self.reduction.reduce_array(inside)
        total = self.polynomial.array(argument, self.reduction.key_array(argument, positive))
        shift = self.reduction.shifts(power, self.polynomial.sum_bits, self.output)
        outputs: Integers
        if not self.reduction.shift_varies:
            outputs = (total + np.where(positive, argument << self.slope_bits, 0)) >> shift
        else:
            outputs = ((total >> (shift - 1)) + 1) >> 1 if self.rounds else total >> shift
        return outputs if self.end_value is None else np.where(inside == self.high, self.end_value, outputs)

    @property
    def sums(self) -> tuple[int, int]:
        """The least and the largest value of the polynomial at the arguments that occur, and at those between."""
        first = (self.reduction.largest + 1) >> 2 if self.reduction.kind == "root" else 0
        return self.polynomial.extremes(first, self.reduction.largest)

    @property
    def end_value(self) -> int | None:
        """The output at the high end and beyond, if it is a constant."""
        return self.reduction.end_value(self.high, self.output)

    @property
    def slope_bits(self) -> int:
        """Fraction bits of the slope, by which the argument is multiplied."""
        return self.polynomial.sum_bits - self.reduction.fraction_bits
