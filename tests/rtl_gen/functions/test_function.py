"""The function unit in Amaranth's simulator, against golden: every input, kind and implementation, stalls, flags."""

from fractions import Fraction

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.functions.function import Function
from qse_hw.rtl_gen.units.function import FunctionConfig
from tests.golden.functions.units import KINDS, SHAPES
from tests.rtl_gen.bench import at_random, join, never, refused, split, stream, used

LONG = pytest.param(SHAPES[-1], marks=pytest.mark.full)  # hundreds of segments


def config(kind, **others):
    values = {**kind, **others}
    error = Fraction(1, 1 << values.pop("bits"))
    types = {name: input_type(values.pop(name)) for name in ("input", "output")}
    return FunctionConfig(error=error, **types, **values)


def check(unit, patterns, **pauses):
    outputs, outside = unit.expected(patterns)
    width = unit.input.width
    run = stream(used(unit.component()), [join(beat, width) for beat in patterns.reshape(-1, unit.lanes)], **pauses)
    got = [split(payload, unit.output.width, unit.lanes) for payload in run.payloads]
    np.testing.assert_array_equal(got, outputs.reshape(-1, unit.lanes) % (1 << unit.output.width))
    flags = outside.reshape(-1, unit.lanes).any(axis=1)
    np.testing.assert_array_equal([flag["saturated"] for flag in run.flags], flags)
    return run


@pytest.mark.every(144)
@pytest.mark.parametrize("made", [{}, {"target": "ecp5"}, {"multiplier": "logic"}, {"multiplier": "gates"}], ids=str)
@pytest.mark.parametrize("shape", [*SHAPES[:-1], LONG], ids=str)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind['function']}-{kind['output']}")
def test_every_input(kind, shape, made):
    unit = config(kind, **shape, **made)
    run = check(unit, unit.patterns())
    first = run.accepted[0]
    assert run.accepted == list(range(first, first + len(run.accepted)))  # initiation interval 1
    assert {left - into for into, left in zip(run.accepted, run.left, strict=True)} == {unit.component().latency}


@pytest.mark.every(3)
@pytest.mark.parametrize(
    ("low", "high", "bits"), [(None, 0, 6), (None, 1, 7), (-4, -1, 6), (-4, -1, 7), (-1, 0, 6), (-1, 0, 7), (-2, 1, 6)]
)
def test_a_constant_at_the_end(low, high, bits):
    """Of exp2, with and without rounding after the shift, and without a shift."""
    ends = {"low": None if low is None else Fraction(low), "high": Fraction(high)}
    unit = config(KINDS[5] | {"output": "s11e-7", "bits": bits}, **ends)
    end = 1 << (high + 7)
    assert unit.arithmetic.end_value == end
    patterns = unit.patterns()
    outputs, _ = unit.expected(patterns)
    assert set(outputs[(patterns < 1 << 9) & (patterns >= (high % 16) << 6)]) == {end} or high < 0
    check(unit, patterns)


@pytest.mark.every(4)
@pytest.mark.parametrize("kind", KINDS[::2], ids=lambda kind: f"{kind['function']}-{kind['output']}")
def test_stalls_and_lanes(kind, rng):
    unit = config(kind, lanes=3)
    patterns = rng.integers(0, 1 << unit.input.width, 120)
    check(unit, patterns, i_pause=at_random(3), o_pause=at_random(4))
    check(unit, patterns, i_pause=never, o_pause=at_random(5))


@pytest.mark.full
def test_wide_inputs(rng):
    kind = {"function": "silu", "input": "s20e-15", "output": "s18e-12", "bits": 12}
    for made in ({}, {"target": "ecp5"}):  # two multipliers
        unit = config(kind, **made)
        check(unit, rng.permutation(unit.patterns())[:1500])


def test_the_flag_stays_until_it_is_cleared():
    unit = config(KINDS[1])
    low, high = unit.arithmetic.low, unit.arithmetic.high
    assert (low, high) == (-512, 254)
    patterns = np.array([high, high + 1, high, high]) % (1 << unit.input.width)
    run = stream(used(unit.component()), patterns.tolist(), clear=False)
    assert [flag["saturated"] for flag in run.flags] == [0, 1, 1, 1]
    assert run.payloads[0] == run.payloads[1]


WIDE_SLOPES = [
    {"function": "exp2", "input": "s10e-6", "output": "s24e-20", "bits": 19, "high": Fraction(2)},
    {"function": "softplus", "input": "s7e-4", "output": "s24e-18", "bits": 17, "degree": 2, "low": Fraction(-63, 16)},
]


@pytest.mark.every(2)
@pytest.mark.parametrize("kind", WIDE_SLOPES, ids=lambda kind: kind["function"])
def test_a_slope_wider_than_a_cell(kind):
    """It takes the place of the factor that is made of two cells."""
    unit = config(kind, target="ecp5")
    assert emit(unit).text.count("MULT18X18D #(") == 2 + (unit.degree == 2)
    run = check(unit, unit.patterns())
    assert {left - into for into, left in zip(run.accepted, run.left, strict=True)} == {unit.component().latency}


def test_both_factors_too_wide_for_the_target():
    kind = {"function": "softplus", "input": "s24e-19", "output": "s24e-20", "bits": 19}
    unit = config(kind, low=Fraction(-1, 256), high=Fraction(1, 256), target="ecp5")
    for text in (
        "Factors for ecp5 must have at most 18 and 35 bits, not 24 (argument) and 20 (slope) as in softplus s24e-19 ",
        "; allow a larger error, take a narrower input, or target generic",
    ):
        refused(InputError, text, lambda: used(unit.component()))


def test_latency_is_public():
    assert used(Function(config(KINDS[0]))).latency == 6
