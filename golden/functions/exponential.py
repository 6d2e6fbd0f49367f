"""The decays of a selective scan: powers of two of what is subtracted from an exponent."""

from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.functions.library import function_unit
from qse_hw.golden.functions.unit import FunctionUnit

Integers = npt.NDArray[np.int64]


class Exp2:
    """``2**-v`` for v >= 0 with 16 fraction bits, as an integer with 15; v of 17 or more counts as 17, which gives 0.

    The error is at most the last place, as a state that decays slowly depends on 1 minus the output. The output is at
    most 1, so that no state grows.
    """

    INPUT_FRACTION, OUTPUT_FRACTION = 16, 15
    LAST = 17 << INPUT_FRACTION
    ERROR = Fraction(1, 1 << 15)
    ONE = 1 << OUTPUT_FRACTION

    @cached_property
    def core(self) -> FunctionUnit:
        """The unit for -v."""
        return function_unit(
            function="exp2",
            input=input_type(f"s{6 + self.INPUT_FRACTION}e-{self.INPUT_FRACTION}"),
            output=input_type(f"s{self.OUTPUT_FRACTION + 2}e-{self.OUTPUT_FRACTION}"),
            error=self.ERROR,
            high=Fraction(0),
        )

    @cached_property
    def table(self) -> Integers:
        """The output for each v from 0 to :attr:`LAST`."""
        return np.minimum(self.core.array(-np.arange(self.LAST + 1)), self.ONE)

    def scalar(self, v: int) -> int:
        """The output's integer for the input's integer."""
        return min(self.core(-min(v, self.LAST)), self.ONE)

    def array(self, v: Integers) -> Integers:
        """:meth:`scalar` of every integer."""
        return self.table.take(v, mode="clip")


EXP2 = Exp2()
