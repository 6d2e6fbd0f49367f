"""The function units designed beforehand."""

import importlib.util
from fractions import Fraction
from pathlib import Path

import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.functions.accuracy import accuracy
from qse_hw.golden.functions.design import design
from qse_hw.golden.functions.library import _units, function_unit

SCRIPT = Path(__file__).parents[3] / "docs" / "function_library.py"
_SPEC = importlib.util.spec_from_file_location("function_library", SCRIPT)
function_library = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(function_library)


def arguments(unit):
    return unit | {name: input_type(unit[name]) for name in ("input", "output")}


@pytest.mark.full
@pytest.mark.every(4)
@pytest.mark.parametrize("unit", function_library.UNITS, ids=lambda unit: f"{unit['function']} {unit['input']}")
def test_units_are_those_that_a_design_gives(unit):
    assert function_unit(**arguments(unit)) == design(**arguments(unit))


@pytest.mark.full
@pytest.mark.every(2)
@pytest.mark.parametrize("unit", function_library.UNITS, ids=lambda unit: f"{unit['function']} {unit['input']}")
def test_every_unit_is_there_and_keeps_its_bound(unit):
    known = function_unit(**arguments(unit))
    assert accuracy(known).error <= known.error
    assert known.error * Fraction(2) ** known.output.exponent == unit["error"]
    assert len(_units()) == len(function_library.UNITS)


def test_a_unit_that_is_not_there_is_designed():
    asked = {"function": "silu", "input": input_type("s8e-4"), "output": input_type("s10e-5"), "error": Fraction(1, 16)}
    assert function_unit(**asked) == design(**asked)
