"""Function units designed beforehand: a search takes seconds, reading its result does not.

``docs/function_library.py`` writes the file; the tests design its units again.
"""

import json
from dataclasses import asdict
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any

from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.functions.design import design
from qse_hw.golden.functions.polynomial import PiecewisePolynomial
from qse_hw.golden.functions.reduction import Reduction
from qse_hw.golden.functions.targets import function_called
from qse_hw.golden.functions.unit import FunctionUnit

FILE = "assets/function-units.json"


@cache
def function_unit(
    *,
    function: str,
    input: InputType,
    output: InputType,
    error: Fraction,
    low: Fraction | None = None,
    high: Fraction | None = None,
) -> FunctionUnit:
    """The unit that :func:`qse_hw.golden.functions.design.design` gives for these arguments."""
    known = _units().get(key(function, input, output, error, low, high))
    if known is None:
        return design(function=function, input=input, output=output, error=error, low=low, high=high)
    numbers = known["polynomial"].items()
    polynomial: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in numbers}
    return FunctionUnit(
        reduction=Reduction(function_called(function), input, **known["reduction"]),
        output=output,
        low=known["low"],
        high=known["high"],
        error=error / Fraction(2) ** output.exponent,
        polynomial=PiecewisePolynomial(**polynomial),
        rounds=known["rounds"],
    )


def key(
    function: str, input: InputType, output: InputType, error: Fraction, low: Fraction | None, high: Fraction | None
) -> str:
    """The arguments in words: ``silu s16e-10 s18e-12 1/4096``."""
    ends = [f"{name}={end}" for name, end in (("low", low), ("high", high)) if end is not None]
    return " ".join([function, input.name, output.name, str(error), *ends])


def to_json(unit: FunctionUnit) -> dict[str, Any]:
    """What the file says of a unit."""
    return {
        "low": unit.low,
        "high": unit.high,
        "reduction": {"direct": unit.reduction.direct, "mirrored": unit.reduction.mirrored},
        "polynomial": asdict(unit.polynomial),
        "rounds": unit.rounds,
    }


@cache
def _units() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(files("qse_hw.golden").joinpath(FILE).read_text(encoding="utf-8"))
    return document
