"""Reduction: scalar and arrays agree, and the parts give the function back."""

from fractions import Fraction

import numpy as np
import pytest
from mpmath import mp

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.functions.reduction import Reduction
from qse_hw.golden.functions.targets import FRACTION_BITS, FUNCTIONS
from tests.golden.functions.units import exactly


@pytest.mark.every(3)
@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("input", ["s8e-4", "s9e-4", "s8e-3", "s9e-6"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_parts_give_the_function(name, input, direct):
    reduction = Reduction(FUNCTIONS[name], input_type(input), direct)
    half = 1 << (reduction.input.width - 1)
    x = np.arange(1 if name == "rsqrt" else -half, half, dtype=np.int64)
    arguments, positive, powers = reduction.reduce_array(x)
    cores = reduction.core_values(arguments.tolist())
    step = Fraction(2) ** reduction.input.exponent
    for number, one in enumerate(x.tolist()):
        assert reduction.reduce(one) == (arguments[number], positive[number], powers[number])
        assert 0 <= arguments[number] <= reduction.largest
        if one == -half and name in ("softplus", "silu") and not direct:
            continue  # the argument next to it stands for it
        with mp.workdps(60):
            value = mp.ldexp(cores[number], int(powers[number]) - FRACTION_BITS)
            value += mp.mpf(one) * float(step) if positive[number] else 0
            assert abs(value - exactly(name, one * step)) < mp.mpf(2) ** (int(powers[number]) - FRACTION_BITS + 2)


@pytest.mark.parametrize(
    ("name", "direct", "high", "output", "value"),
    [
        ("exp2", False, 0, "s10e-7", 1 << 7),
        ("exp2", False, 32, "s10e-4", 1 << 6),
        ("exp2", False, -48, "s10e-3", 1),
        ("exp2", False, -64, "s10e-3", None),  # less than a step
        ("exp2", False, 1, "s10e-7", None),  # no power of two
        ("exp2", True, 0, "s10e-7", None),
        ("softplus", False, 0, "s10e-7", None),
        ("rsqrt", False, 16, "s10e-7", None),
    ],
)
def test_the_constant_at_the_end(name, direct, high, output, value):
    reduction, type = Reduction(FUNCTIONS[name], input_type("s9e-4"), direct), input_type(output)
    assert reduction.end_value(high, type) == value
    assert reduction.last_computed(high, type) == (high if value is None else high - 1)


@pytest.mark.parametrize("input", ["s8e-4", "s9e-4"])
@pytest.mark.parametrize("name", ["exp2", "rsqrt"])
def test_largest_powers(name, input):
    """Of every argument the largest with which an input of the domain has it."""
    reduction = Reduction(FUNCTIONS[name], input_type(input))
    low, high = (-60, 37) if name == "exp2" else (5, 120)
    arguments, _, powers = reduction.reduce_array(np.arange(low, high + 1))
    for argument in set(arguments.tolist()):
        largest = reduction.largest_powers(np.array([argument]), low, high, 0)[0]
        assert largest == powers[arguments == argument].max()
        near = [n for n, a in enumerate(arguments.tolist()) if abs(a - argument) < 8 and a % 8]
        if near:
            assert reduction.largest_powers(np.array([argument]), low, high, 8)[0] >= powers[near].max()
