"""The inputs that a function unit takes: from where to where the function is defined and its output can be held."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.functions.constraints import EXHAUSTIVE_BITS, STEP_BITS, values
from qse_hw.golden.functions.reduction import Reduction

_SILU_LEAST_AT = -1.2784645427610738


def domain(
    reduction: Reduction, output: InputType, low: Fraction | None, high: Fraction | None, error: Fraction
) -> tuple[int, int]:
    """The ends of the domain in steps of the input; an end not given is the furthest possible.

    Raises:
        InputError: if an end is no input, if the function is not defined there, or the output cannot hold its value.
    """
    input, function = reduction.input, reduction.function
    first, last = -1 << (input.width - 1), (1 << (input.width - 1)) - 1
    if function.kind == "root":
        first = 1
    given = [_steps(end, name, input) for end, name in ((low, "Low"), (high, "High"))]
    if function.kind == "root" and low is not None and low <= 0:
        raise InputError(f"Low must be above 0 for {function.name}, which is not defined there, not {shown(low)}")
    step = Fraction(2) ** output.exponent
    # inputs that are not all looked at may be rounded to the output beyond
    most = (1 << (output.width - 1)) - 1 - (0 if input.width <= EXHAUSTIVE_BITS else int(error / step) + 1)

    def at(x: int) -> str:
        return shown(x * Fraction(2) ** input.exponent)

    def fits(x: int) -> bool:
        value = values(reduction, output, np.array([x], np.int64))[0]
        return -(1 << (output.width - 1)) << STEP_BITS <= value <= most << STEP_BITS

    if function.increasing is False:  # values are largest at the low end
        inside = given[1] if given[1] is not None else last
        ends = _furthest(fits, inside, given[0] if given[0] is not None else first), inside
    else:
        inside = given[0] if given[0] is not None else first
        ends = inside, _furthest(fits, inside, last if given[1] is None else given[1])
    for x, name in zip(ends, ("Low", "High"), strict=True):
        if not fits(x):
            raise InputError(
                f"Output {output.name} must hold {function.name} at {name.lower()} {at(x)}, which it cannot; "
                "give a wider output or another domain"
            )
    for end, wanted, name in zip(ends, given, ("Low", "High"), strict=True):
        if wanted is not None and end != wanted:
            raise InputError(
                f"{name} must be {'at most' if name == 'High' else 'at least'} "
                f"{at(end)}, where {function.name} reaches what output {output.name} can hold, not {at(wanted)}"
            )
    if ends[0] >= ends[1]:
        raise InputError(f"Low must be below high, not {shown(low)} with {shown(high)}")  # type: ignore[arg-type]
    return ends


def check_range(reduction: Reduction, output: InputType, low: int, high: int) -> None:
    """InputError if the output cannot hold what SiLU, which is not monotone, has between the ends of the domain."""
    if reduction.function.increasing is not None:
        return
    x = np.clip(round(_SILU_LEAST_AT / 2.0**reduction.input.exponent), low, high)
    value = values(reduction, output, np.array([x], np.int64))[0]
    if value < -1 << (output.width - 1 + STEP_BITS):
        least = Fraction(value, 1 << STEP_BITS) * Fraction(2) ** output.exponent
        raise InputError(
            f"Output {output.name} must hold {shown(least)}, the least value of silu, which it cannot; "
            "give a wider output or another domain"
        )


def _furthest(fits: Callable[[int], bool], inside: int, outside: int) -> int:
    """The number nearest to ``outside`` that fits, if all between it and ``inside`` do; ``inside`` if that does not."""
    if fits(outside) or not fits(inside):
        return outside if fits(outside) else inside
    while abs(outside - inside) > 1:
        middle = (inside + outside) // 2
        if fits(middle):
            inside = middle
        else:
            outside = middle
    return inside


def _steps(end: Fraction | None, name: str, input: InputType) -> int | None:
    """An end of the domain as an integer, or an InputError if it is no input."""
    if end is None:
        return None
    steps = end / Fraction(2) ** input.exponent
    if steps.denominator != 1 or not -(1 << (input.width - 1)) <= steps < 1 << (input.width - 1):
        raise InputError(f"{name} must be a value of input {input.name}, not {shown(end)}")
    return int(steps)


def shown(value: Fraction) -> str:
    """A number in a message."""
    return f"{float(value):.9g}"
