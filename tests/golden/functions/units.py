"""Small function units of every kind, and mpmath's word on them."""

from fractions import Fraction

from mpmath import mp

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.functions.design import design

KINDS = [
    {"function": "softplus", "input": "s10e-6", "output": "s11e-7", "bits": 7},
    {"function": "softplus", "input": "s10e-6", "output": "s10e-7", "bits": 7},  # larger outputs than it can hold
    {"function": "softplus", "input": "s9e-6", "output": "s10e-5", "bits": 5},  # inputs finer than outputs
    {"function": "silu", "input": "s10e-6", "output": "s11e-6", "bits": 6},
    {"function": "exp2", "input": "s10e-6", "output": "s10e-7", "bits": 7, "high": Fraction(0)},
    {"function": "exp2", "input": "s10e-6", "output": "s10e-4", "bits": 4},
    {"function": "rsqrt", "input": "s10e-4", "output": "s11e-7", "bits": 7},
    {"function": "rsqrt", "input": "s11e-4", "output": "s11e-7", "bits": 7, "low": Fraction(1, 2)},
]
SHAPES = [
    {},
    {"borders": "free"},
    {"borders": "power-of-two"},
    {"borders": "equal"},
    {"degree": 2},
    {"degree": 2, "borders": "equal"},
    {"borders": "equal", "direct": True},
]


def make(kind, **shape):
    values = {**kind, **shape}
    bits = values.pop("bits")
    types = {name: input_type(values.pop(name)) for name in ("input", "output")}
    return design(**types, error=Fraction(1, 1 << bits), **values)


def exactly(function, x):
    """The function of a Fraction, to 100 digits, by another formula than the one that units are made with."""
    with mp.workdps(100):
        v = mp.mpf(x.numerator) / x.denominator
        if function == "softplus":
            return mp.log(1 + mp.exp(v))
        if function == "silu":
            return v / 2 * (1 + mp.tanh(v / 2))
        if function == "exp2":
            return mp.exp(v * mp.ln2)
        return v ** (-mp.mpf(1) / 2)


def error(unit, x, y):
    """The distance of the output ``y`` at the input ``x``, both in steps, from the function; in steps, an mpf."""
    step_in, step_out = (Fraction(2) ** kind.exponent for kind in (unit.reduction.input, unit.output))
    x = min(max(x, unit.low), unit.high)
    with mp.workdps(100):
        step = mp.mpf(step_out.numerator) / step_out.denominator
        return abs(y - exactly(unit.reduction.function.name, x * step_in) / step)


def inputs(unit):
    """Every input of the type, in steps."""
    half = 1 << (unit.reduction.input.width - 1)
    return range(-half, half)
