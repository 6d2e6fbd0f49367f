"""The function unit in Amaranth's simulator, against golden: every input, kind and implementation, stalls, flags."""

from fractions import Fraction

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.rtl_gen.functions.function import Function
from qse_hw.rtl_gen.units.function import FunctionConfig
from tests.golden.functions.units import KINDS, SHAPES
from tests.rtl_gen.bench import at_random, join, never, refused, split, stream, used


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


@pytest.mark.every(24)
@pytest.mark.parametrize("made", [{}, {"target": "ecp5"}, {"multiplier": "logic"}, {"multiplier": "gates"}], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind['function']}-{kind['output']}")
def test_every_input(kind, shape, made):
    unit = config(kind, **shape, **made)
    run = check(unit, unit.patterns())
    first = run.accepted[0]
    assert run.accepted == list(range(first, first + len(run.accepted)))  # initiation interval 1
    assert {left - into for into, left in zip(run.accepted, run.left, strict=True)} == {unit.component().latency}


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


def test_a_slope_too_wide_for_the_target():
    kind = {"function": "exp2", "input": "s12e-6", "output": "s24e-19", "bits": 18, "high": Fraction(2)}
    unit = config(kind, target="ecp5")
    refused(InputError, "Second factor must have at most 18 bits for ecp5", lambda: used(unit.component()))


def test_latency_is_public():
    assert used(Function(config(KINDS[0]))).latency == 6
