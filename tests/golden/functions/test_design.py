"""What cannot be is refused, with what could."""

from fractions import Fraction

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.functions.cost import cost
from qse_hw.golden.functions.design import BORDERS, design
from tests.golden.functions.units import KINDS, make

SOFTPLUS = KINDS[0]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"bits": 9}, "Error must be at least 0.0039"),
        ({"input": "bf16"}, "Input of a function must be fixed point, as in s16e-11, not bf16"),
        ({"output": "fp16"}, "Output of a function must be fixed point, as in s16e-11, not fp16"),
        ({"input": "s3"}, "Input of a function must have from 4 to 24 bits, not s3"),
        ({"input": "s25e-9"}, "Input of a function must have from 4 to 24 bits, not s25e-9"),
        ({"high": Fraction(1, 3)}, "High must be a value of input s10e-6, not 0.333"),
        ({"high": Fraction(8)}, "High must be a value of input s10e-6, not 8"),
        ({"output": "s8e-7", "high": Fraction(7)}, "High must be at most 0.515625, where softplus reaches"),
        ({"low": Fraction(1), "high": Fraction(0)}, "Low must be below high, not 1 with 0"),
        ({"degree": 3}, "Degree must be 1 or 2, not 3"),
        ({"degree": 2, "input": "s17e-11"}, "Degree must be 1 for domains of more than 65,536 inputs, not 2 for 81,8"),
        ({"direct": True, "input": "s17e-11"}, "Input of a direct function must have at most 16 bits"),
        ({"segments": 0}, "Segments must be from 1 to 1024, not 0"),
        ({"segments": 3}, "Segments must be more than 3 to keep the error 0.0078125 with degree 1 and auto borders"),
        ({"input": "s8", "bits": 5, "output": "s12e-6"}, r"Error must be above 0\.03125, which no unit of up to"),
        ({"borders": "odd"}, "Borders must be one of auto, free, power-of-two, equal, not 'odd'"),
        ({"function": "log"}, "Function must be one of exp2, softplus, silu, rsqrt, not 'log'"),
        ({"function": "rsqrt", "low": Fraction(0)}, "Low must be above 0 for rsqrt, which is not defined there, not 0"),
        ({"function": "rsqrt", "low": Fraction(1, 64), "output": "s8e-7"}, "Low must be at least 1.03125, where rsqrt"),
        ({"function": "exp2", "input": "s10"}, "Input of exp2 must have fraction bits, and fewer than it has bits"),
        ({"function": "exp2", "input": "s8e-8"}, "Input of exp2 must have fraction bits, and fewer than it has bits"),
        ({"input": "s8e1"}, "Input of softplus must have steps of at most 1, as s16e-11 has, not s8e1"),
        ({"function": "silu", "direct": True, "input": "s8e60"}, "Input of silu must have steps of at most 1, as"),
        ({"function": "silu", "output": "s6e-7"}, "Output s6e-7 must hold -0.278"),
        ({"degree": 2, "input": "s7e-4", "output": "s24e-18", "bits": 17},
         "Low must be above -4 to keep the error 7.62939453e-06 with degree 2, which takes the least input for -3.937"),
    ],
)  # fmt: skip
def test_refused(changes, sentence):
    with pytest.raises(InputError, match=f"^{sentence}"):
        make(SOFTPLUS, **changes)


def test_no_error_at_all():
    types = {"input": input_type("s10e-6"), "output": input_type("s11e-7")}
    for error in (Fraction(0), Fraction(-1, 2)):
        with pytest.raises(InputError, match=r"^Error must be above 0"):
            design(function="softplus", error=error, **types)


def test_the_least_error_can_be_had():
    """What the message says is the least is one that a unit can keep."""
    with pytest.raises(InputError, match=r"^Error must be at least") as told:
        make(SOFTPLUS, bits=9)
    least = Fraction(str(told.value).split()[5])
    unit = make(SOFTPLUS)
    made = design(
        function="softplus", input=unit.reduction.input, output=unit.output, error=least * Fraction(100001, 100000)
    )
    assert made.error < Fraction(51, 100)


@pytest.mark.parametrize("kind", [SOFTPLUS, KINDS[3]], ids=lambda kind: kind["function"])
def test_equal_segments_are_more(kind):
    free, equal, aligned = (make(kind, borders=name) for name in ("free", "equal", "power-of-two"))
    assert free.polynomial.segments <= aligned.polynomial.segments <= equal.polynomial.segments
    assert free.polynomial.segments < equal.polynomial.segments


def test_the_cheapest_borders_are_never_more_than_the_others():
    """By the estimate; and a narrow unit without reduction, if that is cheaper."""
    found = {name: make(KINDS[4], borders=name) for name in BORDERS}
    costs = {
        name: cost(unit.polynomial, 6, mirrored=False, even=False, multiplier="dsp") for name, unit in found.items()
    }
    assert costs["auto"] == min(costs.values())
    assert make(KINDS[4], multiplier="gates").reduction.direct
    assert not make(KINDS[4], multiplier="gates", borders="equal").reduction.direct
    assert not make(KINDS[4]).reduction.direct
