"""The error of a unit's outputs: at every input, or a bound for every segment."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

import numpy as np

from qse_hw.golden.functions.constraints import MARGIN, STEP_BITS, departure, exhaustive, samples, targets
from qse_hw.golden.functions.targets import FRACTION_BITS
from qse_hw.golden.functions.unit import FunctionUnit


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """The accuracy over all inputs of the domain.

    Attributes:
        error: the largest distance of an output from the function, in steps of the output; for domains
            of more than 65,536 inputs an upper bound.
        at: the input of that error, in steps; for a bound, an input in the segment with the largest bound.
        correct: the fraction of inputs whose output is the nearest to the function; None if not all were computed.
        monotone: whether outputs never fall where the function rises, nor rise where it falls; None likewise.
    """

    error: Fraction
    at: int
    correct: float | None
    monotone: bool | None


@lru_cache(maxsize=64)
def accuracy(unit: FunctionUnit) -> Accuracy:
    """Computed at every input of a domain of up to 65,536; of a larger one, the bounds of :func:`error_by_segment`."""
    if not exhaustive(unit.low, unit.high):
        bounds = error_by_segment(unit)
        worst = max(bounds, key=lambda start: (bounds[start], -start))
        return Accuracy(error=bounds[worst], at=_input_of(unit, worst), correct=None, monotone=None)
    reference = targets(unit.reduction, unit.output, unit.low, unit.high)
    outputs = unit.array(reference.x)
    away = [abs((y << STEP_BITS) - value) for y, value in zip(outputs.tolist(), reference.values, strict=True)]
    worst = max(range(len(away)), key=away.__getitem__)
    half = 1 << (STEP_BITS - 1)
    return Accuracy(
        error=Fraction(away[worst] + MARGIN, 1 << STEP_BITS),
        at=int(reference.x[worst]),
        correct=sum(one <= half for one in away) / len(away),
        monotone=not len(reference.wrong_turns(outputs)),
    )


def errors(unit: FunctionUnit) -> tuple[list[int], list[float]]:
    """Every input of the domain, in steps, and the output minus the function there, in steps of the output.

    For domains of up to 65,536 inputs.
    """
    reference = targets(unit.reduction, unit.output, unit.low, unit.high)
    outputs = unit.array(reference.x).tolist()
    away = [((y << STEP_BITS) - value) / 2.0**STEP_BITS for y, value in zip(outputs, reference.values, strict=True)]
    return reference.x.tolist(), away


def error_by_segment(unit: FunctionUnit, gap: int | None = None) -> dict[int, Fraction]:
    """An upper bound of the error in each segment, in steps of the output, by the segment's start.

    The sum of the line's distance from the core at samples ``gap`` apart; of the most it can exceed that between them
    (:func:`qse_hw.golden.functions.constraints.departure`); and of half a step for the rounding, or a whole one for
    rounding down. Degree 1 only.
    """
    reduction, polynomial = unit.reduction, unit.polynomial
    points = samples(reduction, unit.low, unit.high, gap, polynomial.starts)
    sums = polynomial.array(points.argument, points.key).tolist()
    offset = 0 if reduction.shift_varies else 1 << (polynomial.sum_bits + unit.output.exponent - 1)
    up = FRACTION_BITS - polynomial.sum_bits
    beyond = [((total - offset) << up) - core for total, core in zip(sums, points.core, strict=True)]
    above, below = [one + 1 for one in beyond], [1 - one for one in beyond]
    above[-1] += points.beyond
    below[-1] += points.beyond
    last = reduction.last_computed(unit.high, unit.output)
    powers = (reduction.largest_powers(points.argument, unit.low, last, apart) for apart in (0, points.gap))
    here, near = ([Fraction(2) ** power for power in some.tolist()] for some in powers)
    one = Fraction(2) ** (-FRACTION_BITS - unit.output.exponent)
    more = departure(reduction, points.gap) * 2**FRACTION_BITS if points.gap > 1 else 0

    def worst(away: list[int], numbers: range) -> Fraction:
        """The largest distance on one side, in steps of the output; 0 if there is none."""
        largest: Fraction = max(away[n] * here[n] for n in numbers)
        if points.gap > 1:
            largest = max(largest, *((away[n] + more) * near[n] for n in numbers))
        at_least: Fraction = max(largest, Fraction(0))
        return at_least * one

    up_by, down_by = (Fraction(1, 2), Fraction(1, 2)) if unit.rounds else (Fraction(0), Fraction(1))
    bounds = {}
    for start, end in pairwise((*polynomial.starts, reduction.largest + 1)):
        begin, stop = np.searchsorted(points.key, (start, end))
        if begin < stop:
            inside = range(begin, stop)
            bounds[start] = max(worst(above, inside) + up_by, worst(below, inside) + down_by)
    return bounds


def _input_of(unit: FunctionUnit, argument: int) -> int:
    """An input of the domain that is reduced to an argument in the argument's segment."""
    if unit.reduction.kind == "exponential":
        period, last = 1 << unit.reduction.fraction_bits, unit.reduction.last_computed(unit.high, unit.output)
        return (last - argument) // period * period + argument
    return argument if argument <= unit.high else -argument
