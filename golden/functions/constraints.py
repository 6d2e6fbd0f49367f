"""The error bound as constraints on the polynomial: an interval of integers at every argument that occurs.

For domains of up to 65,536 inputs the intervals are exact (:func:`exact`): every output is within the bound if and only
if the polynomial is within all intervals. For larger ones the argument is sampled (:func:`sampled`). Between two
samples, the distance of a line from the core exceeds the larger of the two distances there by at most ``gap**2 / 8``
times a bound of the core's second derivative; the intervals are narrowed by that much.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.functions.reduction import Reduction
from qse_hw.golden.functions.targets import FRACTION_BITS

Integers = npt.NDArray[np.int64]
EXHAUSTIVE_BITS = 16
"""All inputs of a domain are computed if there are at most two to that power."""
STEP_BITS = 64
"""Fraction bits of a target, in steps of the output."""
MARGIN = 2
"""A function's value is within so many units of its target, which mpmath rounds and the target rounds again."""


@dataclass(frozen=True, eq=False)
class Targets:
    """All inputs of a domain, and the function's value at each.

    Attributes:
        reduction: of the function and the input type.
        output: type of the output.
        x: inputs in steps, ascending, int64.
        values: ``f(x)`` in ``2**-STEP_BITS`` steps of the output, rounded down, Python integers.
    """

    reduction: Reduction
    output: InputType
    x: Integers
    values: Sequence[int]

    @cached_property
    def range(self) -> tuple[int, int]:
        """The outputs next to the least and the largest value, rounded outward."""
        return min(self.values) >> STEP_BITS, -(-max(self.values) >> STEP_BITS)

    @cached_property
    def least_error(self) -> Fraction:
        """The largest distance of a value from the nearest output: no unit can go below it. In steps of the output."""
        one = 1 << STEP_BITS
        worst = max(min(value % one, -value % one) for value in self.values)
        return Fraction(worst + MARGIN, one)

    @cached_property
    def rises(self) -> npt.NDArray[np.bool_]:
        """Whether the function's value at the next input is not less, (n - 1,)."""
        return np.array([after >= before for before, after in pairwise(self.values)], np.bool_)

    @cached_property
    def nearest(self) -> Integers:
        """The output nearest to each value."""
        half = 1 << (STEP_BITS - 1)
        return np.array([(value + half) >> STEP_BITS for value in self.values], np.int64)

    @cached_property
    def tail(self) -> npt.NDArray[np.bool_]:
        """Whether the value is within half a step of 0, or of max(v, 0), which is an output there."""
        half, kind, shift = 1 << (STEP_BITS - 1), self.reduction.function.kind, tail_shift(self.reduction, self.output)
        if kind == "even" and shift is not None:
            relu = (max(x, 0) << (STEP_BITS + shift) for x in self.x.tolist())
            return np.array([abs(v - r) + MARGIN < half for v, r in zip(self.values, relu, strict=True)], np.bool_)
        return np.array([kind == "exponential" and value + MARGIN < half for value in self.values], np.bool_)

    def wrong_turns(self, outputs: Integers) -> Integers:
        """Numbers of the inputs after which ``outputs`` fall although the function rises, or rise although it falls."""
        change = np.diff(outputs)
        return np.flatnonzero(np.where(self.rises, change < 0, change > 0))

    @lru_cache(maxsize=4)  # noqa: B019 - as long-lived as what it is of
    def allowed(self, error: Fraction) -> "Allowed":
        """The outputs within ``error``, in steps of the output, and not beyond the function's own range.

        In the tails (:attr:`tail`) only the nearest output.
        """
        bound = int(error * (1 << STEP_BITS))
        least, most = self.range
        low = np.array([max(least, -((bound - MARGIN - v) >> STEP_BITS)) for v in self.values], np.int64)
        high = np.array([min(most, (v - MARGIN + bound) >> STEP_BITS) for v in self.values], np.int64)
        return Allowed(np.where(self.tail, self.nearest, low), np.where(self.tail, self.nearest, high))


def tail_shift(reduction: Reduction, output: InputType) -> int | None:
    """log2 of an input's step in steps of the output; None if inputs are finer, so that max(v, 0) is no output."""
    shift = reduction.input.exponent - output.exponent
    return shift if shift >= 0 else None


def values(reduction: Reduction, output: InputType, x: Integers) -> list[int]:
    """The function at each of ``x``, in ``2**-STEP_BITS`` steps of the output, rounded down."""
    arguments, positive, powers = reduction.reduce_array(x)
    if reduction.kind == "even":
        arguments = np.abs(x)  # itself, not the argument that stands for it
    unique, inverse = np.unique(arguments, return_inverse=True)
    cores = reduction.core_values(unique.tolist())
    relu = STEP_BITS + reduction.input.exponent - output.exponent
    results = []
    rows = zip(x.tolist(), inverse.tolist(), positive.tolist(), powers.tolist(), strict=True)
    for one, number, adds, power in rows:
        value = _shifted(cores[number], power - output.exponent + STEP_BITS - FRACTION_BITS)
        results.append(value + _shifted(one, relu) if adds else value)
    return results


@lru_cache(maxsize=16)
def targets(reduction: Reduction, output: InputType, low: int, high: int) -> Targets:
    """The targets of all inputs from ``low`` to ``high``."""
    if reduction.mirrored:
        return replace(targets(replace(reduction, mirrored=False), output, low, high), reduction=reduction)
    x = np.arange(low, high + 1, dtype=np.int64)
    return Targets(reduction, output, x, values(reduction, output, x))


def exhaustive(low: int, high: int) -> bool:
    """Whether all inputs from ``low`` to ``high`` are computed."""
    return high - low < 1 << EXHAUSTIVE_BITS


class Allowed(NamedTuple):
    """The least and the largest output that each input may have, (n,) int64."""

    low: Integers
    high: Integers

    def monotone(self, reference: Targets, outputs: Integers) -> "Allowed":
        """Narrowed where ``outputs`` fall although the function rises, or rise although it falls.

        There one output must be at most, and the other at least, the nearest output of the first input. Correctly
        rounded outputs meet this.
        """
        low, high = self.low.copy(), self.high.copy()
        wrong = reference.wrong_turns(outputs)
        for number in wrong.tolist():
            between = reference.nearest[number]
            below, above = (number, number + 1) if reference.rises[number] else (number + 1, number)
            high[below] = min(high[below], between)
            low[above] = max(low[above], between)
        return Allowed(low, high)


class Constraints(NamedTuple):
    """``low <= p(argument) <= high`` with the segment of the key: (n,) int64 each, keys and arguments ascending."""

    key: Integers
    argument: Integers
    low: Integers
    high: Integers


def exact(reference: Targets, allowed: Allowed, sum_bits: int, rounds: bool) -> Constraints:
    """The constraints of ``allowed`` on a polynomial with ``sum_bits`` fraction bits.

    ``rounds``: of :class:`qse_hw.golden.functions.unit.FunctionUnit`.
    """
    reduction = reference.reduction
    first_input, last_input = int(reference.x[0]), int(reference.x[-1])
    computed = slice(reduction.last_computed(last_input, reference.output) - first_input + 1)
    allowed = Allowed(*(values[computed] for values in allowed))
    arguments, positive, powers = reduction.reduce_array(reference.x[computed])
    shifts = reduction.shifts(powers, sum_bits, reference.output)
    half = (1 << shifts) >> 1 if reduction.shift_varies and rounds else 0
    relu = np.where(positive, arguments << (sum_bits - reduction.fraction_bits), 0) if positive.any() else 0
    low, high = (allowed.low << shifts) - half - relu, ((allowed.high + 1) << shifts) - half - relu - 1
    keys = reduction.key_array(arguments, positive)
    both = keys + arguments  # ascends with either
    order = np.argsort(both, kind="stable")
    _, first = np.unique(both[order], return_index=True)
    limits = np.maximum.reduceat(low[order], first), np.minimum.reduceat(high[order], first)
    return Constraints(keys[order][first], arguments[order][first], *limits)


class Samples(NamedTuple):
    """Keys and arguments, ascending, and the core's values there in ``2**-FRACTION_BITS``.

    ``gap``: the largest distance between two arguments; ``beyond``: how far the core at the least input is from that
    at the last argument, which stands for this input if it is in the domain.
    """

    key: Integers
    argument: Integers
    core: Sequence[int]
    gap: int
    beyond: int


@lru_cache(maxsize=16)
def samples(
    reduction: Reduction, low: int, high: int, gap: int | None = None, borders: tuple[int, ...] = ()
) -> Samples:
    """Samples for inputs from ``low`` to ``high``: both sides of each multiple of ``gap`` and of each border.

    ``gap``: a power of two; default: one that makes about ``2**EXHAUSTIVE_BITS`` samples, and divides all borders.
    """
    begin, end = 0, reduction.largest
    if reduction.kind == "even":
        end = min(end, max(-low, high))
    elif reduction.kind == "mirrored":
        end = max(-low, high)
    elif reduction.kind == "root":
        begin = (end + 1) >> 2
    if gap is None:
        gap = 1 << max(0, reduction.argument_bits - EXHAUSTIVE_BITS + 1)
    edges = np.arange(begin // gap * gap, end + gap + 1, gap, dtype=np.int64)
    edges = np.concatenate([edges, np.array(borders, np.int64)])
    t = np.unique(np.clip(np.concatenate([edges - 1, edges]), begin, end))
    beyond = reduction.kind == "even" and -low > end
    *core, last = reduction.core_values([*t.tolist(), end + beyond])
    if not reduction.mirrored:
        return Samples(t, t, core, gap, abs(last - core[-1]))
    # each argument with its own segment and with that of the number before
    keys = (t[:, None] + np.array([-1, 0])).reshape(-1)
    inside = (keys >= 0) & (keys <= reduction.largest)
    doubled = [value for value, used in zip(np.repeat(np.arange(len(t)), 2).tolist(), inside, strict=True) if used]
    return Samples(keys[inside], t[doubled], [core[number] for number in doubled], gap, 0)


def sampled(
    points: Samples,
    reduction: Reduction,
    low: int,
    high: int,
    output: InputType,
    error: Fraction,
    sum_bits: int,
    rounds: bool,
) -> Constraints:
    """The constraints of ``error``, in steps of the output, on a line with ``sum_bits`` fraction bits."""
    step = Fraction(2) ** (FRACTION_BITS + output.exponent)
    between = int(departure(reduction, points.gap) * 2**FRACTION_BITS) + 1
    last = reduction.last_computed(high, output)

    def slacks(steps: Fraction) -> list[int]:
        """How far the core may be from the line, ``steps`` of the output with the largest power."""

        def at(apart: int) -> list[int]:
            powers = reduction.largest_powers(points.argument, low, last, apart).tolist()
            return [_shifted(int(steps * step), -power) for power in powers]

        slack = at(0)
        if points.gap > 1:
            slack = [min(here, near - between) for here, near in zip(slack, at(points.gap), strict=True)]
        slack[-1] -= points.beyond
        return slack

    # the core is within 1 of its value; an output that is rounded down is up to a step below
    half = Fraction(1, 2) if rounds else 0
    below, above = slacks(error - 1 + half), slacks(error - half)
    offset = 0 if reduction.shift_varies else 1 << (sum_bits + output.exponent - 1)
    down = FRACTION_BITS - sum_bits
    least = np.array([-((less - 1 - core) >> down) for core, less in zip(points.core, below, strict=True)], np.int64)
    most = np.array([(core - 1 + more) >> down for core, more in zip(points.core, above, strict=True)], np.int64)
    least, most = least + offset, most + offset
    if reduction.kind in ("even", "mirrored") and tail_shift(reduction, output) is not None:
        # in the tails max(v, 0) is the output
        tail = np.array([abs(core) << 1 < 1 << (FRACTION_BITS + output.exponent) for core in points.core], np.bool_)
        tail &= np.logical_and.accumulate(tail[::-1])[::-1]  # not SiLU near 0
        least, most = (
            np.where(tail, np.maximum(least, 0), least),
            np.where(tail, np.minimum(most, 2 * offset - 1), most),
        )
    return Constraints(points.key, points.argument, least, most)


def departure(reduction: Reduction, gap: int) -> Fraction:
    """The most by which a line's distance from the core between two arguments, ``gap`` apart, exceeds the ends'."""
    return reduction.function.curvature * gap**2 / 8 / Fraction(4) ** reduction.fraction_bits


def _shifted(value: int, left: int) -> int:
    return value << left if left >= 0 else value >> -left
