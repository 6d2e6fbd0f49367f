"""Functions of fixed-point numbers, as the hardware's function units compute them (:mod:`qse_hw.golden.functions`).

Every unit takes a Python integer (``scalar``), by the arithmetic that the hardware has, or an array of int64
(``array``), from a table of the same results. The designs come from integers and mpmath alone, so that all machines
have the same.

One SiLU unit and one softplus unit serve all layers whose values stay within their types (:data:`FINEST`): 16 bits in,
with 10 of them after the point; 18 bits out, as wide as a DSP block's multiplier, SiLU with 12 and softplus with 13
after the point. exp2 takes 21 bits without a sign, 16 of them after the point. The reciprocal square root takes the 16
highest bits of a sum of squares, and is RMSNorm's in hardware.

The bounds of the errors are the largest that cost the bundled models nothing: 2**-12 for SiLU, 3/4 of 2**-13 for
softplus (of the bundled Mamba-1's 0.13 mnat per token, 2**-13 costs 0.02 more, 2**-12 0.15 more) and 2**-15 for exp2;
2**-13 would do for the root, whose usual bound is 2**-15. They are larger only where a tensor's type is coarser.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.inputs import InputType, input_type
from qse_hw.golden.functions.library import function_unit
from qse_hw.golden.functions.root import MAX_INPUT_BITS, reciprocal_root
from qse_hw.golden.functions.unit import FunctionUnit
from qse_hw.golden.models.integer.formats import FixedPoint, Local, local_exponent

Integers = npt.NDArray[np.int64]
BITS = 16
"""Of the inputs of SiLU and softplus."""
ERRORS = {"silu": Fraction(1, 1 << 12), "softplus": Fraction(3, 1 << 15)}
"""Bounds of the units' errors for the finest types."""
LEAST_ERROR = Fraction(3, 4)
"""Of a bound, in steps of the output; exact rounding has 1/2."""
FINEST = {"conv_sum": -10, "gate": -10, "silu_gate": -12, "dt_sum": -10, "delta": -13}
"""log2 of the finest step of the units' inputs and outputs, by tensor. A calibration takes a coarser one only if the
values reach farther than 32, and delta 16."""
_INPUT = -10


@dataclass(frozen=True)
class Unit:
    """A function of fixed-point numbers, saturated to the output's type.

    Inputs of a coarser step than ``2**-10`` are shifted left to it if 16 bits hold them there.
    """

    name: str
    input: FixedPoint
    output: FixedPoint

    @property
    def shift(self) -> int:
        """How far inputs are shifted left."""
        places = self.input.exponent - _INPUT
        return places if 0 <= places <= BITS - self.input.bits else 0

    @cached_property
    def core(self) -> FunctionUnit:
        """The unit for shifted inputs."""
        return _core(self.name, self.input.exponent - self.shift, self.output)

    @cached_property
    def table(self) -> Integers:
        """The output for each input, from the least on."""
        inputs = np.arange(-self.input.high - 1, self.input.high + 1)
        return self.core.array(inputs << self.shift)

    def scalar(self, x: int) -> int:
        """The output's integer for the input's integer."""
        return self.core(x << self.shift)

    def array(self, x: Integers) -> Integers:
        """:meth:`scalar` of every integer."""
        return self.table.take(x + (self.input.high + 1))


def input_of(local: Local) -> FixedPoint:
    """The fixed-point type of a local tensor's integers."""
    if isinstance(local, FixedPoint):
        return local
    reach = max(abs(value) for value in local.format.values.values())
    return FixedPoint(bits=reach.bit_length() + 1, exponent=local_exponent(local))


def silu_unit(input: FixedPoint) -> Unit:
    """SiLU with two more fraction bits and 18 bits."""
    return Unit("silu", input, FixedPoint(bits=BITS + 2, exponent=input.exponent - 2))


@cache
def _core(name: str, exponent: int, output: FixedPoint) -> FunctionUnit:
    return function_unit(
        function=name,
        input=_type(FixedPoint(bits=BITS, exponent=exponent)),
        output=_type(output),
        error=max(ERRORS[name] * Fraction(2) ** max(exponent - _INPUT, 0), LEAST_ERROR * output.step),
    )


def _type(fixed: FixedPoint) -> InputType:
    return input_type(f"s{fixed.bits}e{fixed.exponent}")


RECIPROCAL_ROOT = reciprocal_root(input_bits=MAX_INPUT_BITS)
"""Of any sum of squares that can occur."""
