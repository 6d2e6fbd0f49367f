"""Function units at every input: within the bound by mpmath, monotone, the same in Python integers and NumPy."""

from fractions import Fraction

import numpy as np
import pytest
from mpmath import mp

from qse_hw.golden.functions.accuracy import accuracy
from tests.golden.functions.units import KINDS, SHAPES, error, exactly, inputs, make


@pytest.mark.every(3)
@pytest.mark.parametrize("shape", [*SHAPES, {"borders": "power-of-two", "multiplier": "gates"}], ids=str)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind['function']}-{kind['output']}")
def test_every_input(kind, shape):
    unit = make(kind, **shape)
    outputs = [unit(x) for x in inputs(unit)]
    np.testing.assert_array_equal(unit.array(np.array(inputs(unit))), outputs)
    errors = [error(unit, x, y) for x, y in zip(inputs(unit), outputs, strict=True)]
    with mp.workdps(100):
        assert max(errors) <= mp.mpf(unit.error.numerator) / unit.error.denominator
    measured = accuracy(unit)
    assert float(measured.error) == pytest.approx(float(max(errors)), rel=1e-12)
    assert float(error(unit, measured.at, unit(measured.at))) == pytest.approx(float(max(errors)), rel=1e-12)
    inside = [e for x, e in zip(inputs(unit), errors, strict=True) if unit.low <= x <= unit.high]
    with mp.workdps(100):
        half = mp.mpf("0.5") + mp.mpf("1e-30")  # a tie's error has mpmath's own rounding
        assert measured.correct == sum(e <= half for e in inside) / len(inside)
    low, high = -1 << (unit.output.width - 1), (1 << (unit.output.width - 1)) - 1
    assert low <= min(outputs) <= max(outputs) <= high


@pytest.mark.every(3)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind['function']}-{kind['output']}")
def test_outputs_turn_only_where_the_function_does(kind, shape):
    unit = make(kind, **shape)
    assert accuracy(unit).monotone
    step = Fraction(2) ** unit.reduction.input.exponent
    domain = range(unit.low, unit.high + 1)
    values = [exactly(unit.reduction.function.name, x * step) for x in domain]
    for number in range(len(domain) - 1):
        change = unit(domain[number + 1]) - unit(domain[number])
        assert change >= 0 if values[number + 1] >= values[number] else change <= 0, domain[number]


@pytest.mark.full
def test_sixteen_bits():
    unit = make({"function": "softplus", "input": "s16e-11", "output": "s16e-12", "bits": 12})
    measured = accuracy(unit)
    assert (unit.low, measured.monotone) == (-32768, True)
    assert 0.5 < measured.error <= 1
    assert unit.polynomial.segments <= 64
    draw = np.random.default_rng(1).integers(-32768, 32768, 300).tolist()
    for x in [*draw, measured.at, -32768, -32767, -1, 0, 1, unit.high, unit.high + 1, 32767]:
        assert unit(x) == unit.array(np.array([x]))[0]
        assert error(unit, x, unit(x)) <= 1


@pytest.mark.full
@pytest.mark.every(4)
@pytest.mark.parametrize(
    "kind",
    [
        {"function": "softplus", "input": "s20e-15", "output": "s21e-12", "bits": 12},
        {"function": "silu", "input": "s18e-15", "output": "s15e-12", "bits": 12},  # steep where it ends
        {"function": "exp2", "input": "s20e-15", "output": "s16e-12", "bits": 12, "high": Fraction(0)},
        {"function": "rsqrt", "input": "s20e-12", "output": "s18e-12", "bits": 12},
    ],
    ids=lambda kind: kind["function"],
)
def test_wide_inputs(kind):
    unit = make(kind)
    half = 1 << (unit.reduction.input.width - 1)
    starts = np.array(unit.polynomial.starts)
    near = (np.concatenate([starts, -starts])[:, None] + np.arange(-2, 3)).reshape(-1)
    draw = np.random.default_rng(2).integers(-half, half, 500)
    x = np.concatenate([near[(near >= -half) & (near < half)], draw, [-half, half - 1, unit.low, unit.high]])
    outputs = unit.array(x)
    for one, y in zip(x.tolist(), outputs.tolist(), strict=True):
        assert error(unit, one, y) <= float(unit.error), one
    assert accuracy(unit).error <= unit.error
    assert accuracy(unit).correct is None


@pytest.mark.every(3)
@pytest.mark.parametrize("shape", [{}, {"borders": "equal"}, {"borders": "equal", "direct": True}], ids=str)
@pytest.mark.parametrize(
    "kind", [KINDS[0], KINDS[3], KINDS[4] | {"input": "s11e-6"}], ids=lambda kind: kind["function"]
)
def test_tails_are_rounded_correctly(kind, shape):
    """Where the function is within half a step of 0 or of its input, that is the output."""
    unit = make(kind, **shape)
    step_in, step = (Fraction(2) ** type.exponent for type in (unit.reduction.input, unit.output))
    tails = 0
    for x in range(unit.low, unit.high + 1):
        limit = max(x, 0) * step_in if kind["function"] != "exp2" else 0
        if abs(exactly(kind["function"], x * step_in) - mp.mpf(limit.numerator) / limit.denominator) < float(step) / 2:
            assert unit(x) * step == limit
            tails += 1
    assert tails > 100


@pytest.mark.full
@pytest.mark.parametrize("function", ["softplus", "silu"])
def test_tails_of_wide_inputs(function):
    unit = make({"function": function, "input": "s18e-10", "output": "s20e-11", "bits": 8})
    x = np.concatenate([np.arange(-1 << 17, -15000), np.arange(15000, 1 << 17)])
    np.testing.assert_array_equal(unit.array(x), np.maximum(x, 0) << 1)


@pytest.mark.parametrize("kind", KINDS[4:], ids=lambda kind: f"{kind['function']}-{kind['output']}")
@pytest.mark.parametrize("shape", SHAPES[:6], ids=str)
def test_the_least_and_the_largest_sum(kind, shape):
    unit = make(kind, **shape)
    reduced = [unit.reduction.reduce(x).argument for x in range(unit.low, unit.high + 1)]
    sums = [unit.polynomial(argument) for argument in reduced]
    least, most = unit.sums
    assert least <= min(sums) <= max(sums) <= most
    every = [unit.polynomial(argument) for argument in range(min(reduced), unit.reduction.largest + 1)]
    assert (min(every), max(every)) == (least, most) or unit.reduction.kind == "root"
    assert most < 1 << (unit.polynomial.sum_bits + 2)
