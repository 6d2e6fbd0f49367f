"""The best segments for a given fine step: exact dynamic programming over the segments' borders.

Codes lie on a grid of fine steps. A value between two neighboring codes, at p and p + ``2**e`` fine steps, goes to the
nearer one; the squared error of all values there, ``gaps[e, p]``, does not depend on the other codes. So a format's
error is a sum over the gaps along its axis, and the best format is the cheapest path from any first to any last code,
over (position, step, codes used, segments used). Time grows with positions x codes x segments x steps; the number of
values only matters to the histogram.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

STEPS = 8  # steps tried: 1, 2, 4 .. 128 fine steps
Array = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.intp]


class Path(NamedTuple):
    """Segments along the axis as (codes, log2 of the step in fine steps), the first code's position, squared error."""

    segments: tuple[tuple[int, int], ...]
    start: int
    error: float


@dataclass(frozen=True, eq=False)
class Costs:
    """Squared errors of the values, by gap and beyond the ends: all that the search needs.

    Attributes:
        gaps: (steps, positions), squared error of the values between a code at p and the next one at p + 2**e.
        below: (positions,), squared error of the values below p if p is the first code; infinite where none may be.
        above: (positions,), squared error of the values above p if p is the last code.
        zero: position of the value 0, which must be a code with finest steps on both sides; None: no such rule.
    """

    gaps: Array
    below: Array
    above: Array
    zero: int | None

    @cached_property
    def by_step(self) -> tuple[Array, Array, Array]:
        """``gaps`` (steps, positions), ``below`` (positions,) and ``above`` (steps, positions), infinite where the rule
        of the value 0 forbids the step, on an axis long enough for a gap of any step beyond the last value; contiguous.
        """
        extended = _extended(self, len(self.above) + (1 << (STEPS - 1)))
        gaps, zero = extended.gaps, self.zero
        above = np.tile(extended.above, (STEPS, 1))
        if zero is not None:
            above[:, :zero] = np.inf
            above[1:, zero] = np.inf
            for e in range(1, STEPS):
                gaps[e, max(0, zero + 1 - (1 << e)) : zero + 1] = np.inf
        return np.ascontiguousarray(gaps), extended.below, above


def costs(values: Array, counts: Array, fine_step: float, zero: int | None) -> Costs:
    """The costs of values with weights ``counts``, in units of the squared values.

    Args:
        values: in any order; magnitudes for a format with a sign bit.
        counts: their weights.
        fine_step: in units of the values.
        zero: position of the value 0, as :func:`zero_position` gives it; the first code may be anywhere up to there.
            None for magnitudes: the first code is 0.
    """
    u = values / fine_step + (zero or 0)
    length = max(int(u.max()), zero or 0) + 2
    # moments (weight, first, second) of every half step about its left edge; below, of runs of length w
    cells = (2 * u).astype(np.intp)
    offset = u - cells / 2
    moments = counts, counts * offset, counts * offset**2
    halves: Array = np.stack([np.bincount(cells, moment, minlength=2 * length) for moment in moments])
    left, right = halves[:, 0::2], halves[:, 1::2]
    gaps = np.empty((STEPS, length))
    w = 0.5
    for e in range(STEPS):
        n, first, second = right  # of values that go to the next code, w beyond the edge that the moments are about
        gaps[e] = left[2] + second - 2 * w * first + w * w * n
        left = np.stack([left[0] + n, left[1] + first + w * n, left[2] + second + 2 * w * first + w * w * n])
        if e == 0:
            unit = left  # the moments of every whole step
        w *= 2
        right = np.zeros_like(left)
        right[:, : max(length - int(w), 0)] = left[:, int(w) :]
    above, below = _tail(unit), np.full(length, np.inf)
    if zero is None:
        below[0] = 0
    else:  # mirrored: distances to a step's right edge are 1 - offset
        n, first, second = unit[:, ::-1]
        mirrored = _tail(np.stack([n, n - first, n - 2 * first + second]))[::-1]
        below[: zero + 1] = np.concatenate([[0.0], mirrored[:zero]])
    square = fine_step * fine_step
    # differences of moments may round to a little less than 0 where values lie on the codes; the bounds of pruned.cpp
    # hold for errors of 0 and more
    gaps, below, above = (np.maximum(part, 0.0) * square for part in (gaps, below, above))
    return Costs(gaps, below, above, zero)


def zero_position(low: float, fine_step: float) -> int:
    """How many fine steps the axis must begin below zero to hold the value ``low``."""
    return max(0, math.ceil(-low / fine_step))


def _tail(unit: Array) -> Array:
    """For every p, the sum of squared distances to p of the values above it; summed from the far end, without
    cancellation (Horner's rule).
    """
    n = np.cumsum(unit[0, ::-1])[::-1]
    beyond = np.append(n[1:], 0)  # of the values a whole step or more away
    first = np.cumsum((unit[1] + beyond)[::-1])[::-1]  # sum of distances: each step adds 1 for all beyond it
    further = np.append(first[1:], 0)
    tail: Array = np.cumsum((unit[2] + 2 * further + beyond)[::-1])[::-1]
    return tail


def total(layers: list[Costs]) -> Costs:
    """The sum of several layers' costs on one axis; their zeros are at the same position."""
    length = max(len(cost.above) for cost in layers)
    extended = [_extended(cost, length) for cost in layers]
    gaps = np.sum([cost.gaps for cost in extended], axis=0)
    below = np.sum([cost.below for cost in extended], axis=0)
    return Costs(gaps, below, np.sum([cost.above for cost in extended], axis=0), layers[0].zero)


def best_paths(cost: Costs, codes: int, segments: int) -> list[Path]:
    """The best path of at most 1, 2 .. ``segments`` segments and at most ``codes`` codes, of any steps."""
    paths = _search(cost, np.tile(np.arange(STEPS), (segments, 1)), codes)
    return [min(paths[: k + 1], key=lambda path: path.error) for k in range(segments)]


def best_path(cost: Costs, codes: int, steps: tuple[int, ...]) -> Path:
    """The best path of at most ``codes`` codes whose segments have these steps (log2), in this order, none empty."""
    return _search(cost, np.array(steps)[:, None], codes)[-1]


def _extended(cost: Costs, length: int) -> Costs:
    """``cost`` on an axis of that length: positions beyond the last value cost nothing."""
    right = (0, length - len(cost.above))
    below = np.pad(cost.below, right, constant_values=np.inf)
    return Costs(np.pad(cost.gaps, ((0, 0), right)), below, np.pad(cost.above, right), cost.zero)


def _search(cost: Costs, steps: Integers, codes: int) -> list[Path]:
    """For each number of segments the best path; ``steps[k]``: the steps that segment k may have, as log2."""
    segments, choices = steps.shape
    every_gap, below, beyond = cost.by_step
    gaps, above, length = every_gap[steps], beyond[steps], len(below)
    state, moved = np.full((2, segments, choices, length), np.inf)
    state[0] = below
    switched = np.zeros((codes, segments, choices, length), np.bool_)
    origin = np.zeros((codes, segments, length), np.int8)
    ends = [(np.inf, 0, 0, 0)] * segments
    for used in range(codes):  # gaps behind; the code at each position is number `used`
        # the code at a position may begin segment k; from the last k down, so that none is left empty
        for k in range(segments - 1, 0, -1) if used else ():
            before = state[k - 1].min(axis=0)
            origin[used, k] = state[k - 1].argmin(axis=0)
            np.less(before, state[k], out=switched[used, k])
            np.minimum(before, state[k], out=state[k])
        for k in range(segments):
            reached = (state[k] + above[k]).reshape(-1)
            place = int(reached.argmin())
            if reached[place] < ends[k][0]:
                ends[k] = (float(reached[place]), used, *divmod(place, length))
        state += gaps
        moved.fill(np.inf)
        for k, c in np.ndindex(steps.shape):
            step = 1 << steps[k, c]
            moved[k, c, step:] = state[k, c, :-step]
        state, moved = moved, state
    return [_walk_back(end, k, steps, switched, origin) for k, end in enumerate(ends)]


def _walk_back(
    end: tuple[float, int, int, int], k: int, steps: Integers, switched: Booleans, origin: npt.NDArray[np.int8]
) -> Path:
    """The path that ended in a state: (error, gaps used, choice of step, position), in segment k."""
    error, used, choice, position = end
    backwards = [int(steps[k, choice])]  # the step of every code's segment
    while True:
        if switched[used, k, choice, position]:
            choice, k = int(origin[used, k, position]), k - 1
        step = int(steps[k, choice])
        if not used:
            break
        used, position = used - 1, position - (1 << step)
        backwards.append(step)
    runs: list[tuple[int, int]] = []
    for step in reversed(backwards):
        codes = runs.pop()[0] if runs and runs[-1][1] == step else 0
        runs.append((codes + 1, step))
    return Path(tuple(runs), position, error)
