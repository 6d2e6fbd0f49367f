"""Integer coefficients for one segment, within given intervals."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.functions.constraints import Constraints
from qse_hw.golden.functions.shape import Shape

Integers = npt.NDArray[np.int64]
_NEAR = 32  # slopes tried on either side of a valid one, to find the simplest
_PATIENCE = 3  # the search for c2 ends after so many steps without a better one


class Lines(NamedTuple):
    """Valid coefficients of a segment: c2, c1, and the least and the largest c0 with them."""

    c2: int
    c1: int
    least: int
    most: int


class _Limit(NamedTuple):
    """One-sided limits of a polynomial: ``value`` at ``d`` with the segment of ``key``, (n,) int64 each."""

    key: Integers
    d: Integers
    value: Integers


class _Limits(NamedTuple):
    low: _Limit
    high: _Limit


class Coefficients:
    """Finds, for any segment, coefficients that keep every argument within its interval, if there are any.

    Coefficients are always valid. For degree 1 the search is complete: the width of c0's interval is a concave function
    of c1, whose maximum is approached from both sides. For degree 2 it is a heuristic, and may miss coefficients that
    there are: c2 is varied around an estimate until the width of c0's interval has shrunk a few times, although
    ``c2 * d`` is truncated, so that a larger width may lie beyond. A unit may then have more segments than it needs;
    its error bound holds all the same.

    Args:
        constraints: the intervals.
        shape: how coefficients are rounded.
    """

    def __init__(self, constraints: Constraints, shape: Shape) -> None:
        self.shape = shape
        key, d, *values = constraints
        low, high = (_Limit(key, d, value) for value in values)
        if shape.degree == 1:
            low, negative = (_thinned(one, shape) for one in (low, high._replace(value=-high.value)))
            high = negative._replace(value=-negative.value)
        self.limits = _Limits(low, high)
        self.step = 1 << shape.dropped
        self.steepest = 1 << (shape.sum_bits + 4)
        self.tried: dict[tuple[int, int], Lines | None] = {}

    @property
    def have_parts(self) -> bool:
        """Whether coefficients of a segment are found for each of its parts, too.

        Not by the heuristic for degree 2, nor if d has other bits of the argument in shorter segments.
        """
        return self.shape.degree == 1 and self.shape.offset_bits is None

    def line(self, start: int, end: int) -> Lines | None:
        """Coefficients for the arguments from ``start`` to before ``end``, if there are any."""
        key = start, end
        if key not in self.tried:
            self.tried[key] = self._line(self._part(start, end))
        return self.tried[key]

    def _part(self, start: int, end: int) -> _Limits:
        bits, coarse = self.shape.offset_bits, self.shape.coarse(end - start)

        def part(limit: _Limit) -> _Limit:
            begin, stop = np.searchsorted(limit.key, (start, end))
            key, d, value = (values[begin:stop] for values in limit)
            if bits is not None:
                d = (d >> coarse) & ((1 << bits) - 1)
            return _Limit(key, d - start if self.shape.local else d, value)

        return _Limits(part(self.limits.low), part(self.limits.high))

    def _line(self, limits: _Limits) -> Lines | None:
        if not len(limits.low.d):
            return Lines(0, 0, 0, 0)
        if self.shape.mirrored:
            level, odd = self._at(0, limits)[0], _odd(limits)
            line = None if level else self._straight(odd)[0]
            return level if line is None else _of_odd(line)
        if self.shape.degree == 1:
            return self._straight(limits)[0]
        best = _curvature(limits, self.shape.truncated)
        line, width = self._straight(self._bent(best, limits))
        for direction in (1, -1):
            at, failed = best, 0
            while line is None and failed < _PATIENCE:
                at += direction
                line, other = self._straight(self._bent(at, limits))
                width, failed = (other, 0) if other > width else (width, failed + 1)
            if line is not None:
                return line._replace(c2=at)
        return line

    def _bent(self, c2: int, limits: _Limits) -> _Limits:
        low, high = (
            one._replace(value=one.value - ((c2 * one.d) >> self.shape.truncated) * one.d) for one in limits
        )
        return _Limits(low, high)

    def _straight(self, limits: _Limits) -> tuple[Lines | None, int]:
        """c1 and c0, if there are any; the largest width of c0's interval (negative: its bounds cross)."""
        first, last, step = -self.steepest, self.steepest, 1
        c1 = min(max(_slope(limits), first), last)
        while True:
            line, turn, width = self._at(c1, limits)
            if line is not None:
                return line, width
            if turn > 0:
                first = c1 + 1
            elif turn < 0:
                last = c1 - 1
            if not turn or first > last:
                break
            # gallop from the first guess, then halve
            c1 = (first + last) // 2 if last - first < 2 * step else first + step if turn > 0 else last - step
            step *= 2
        # the bounds are furthest apart here; what lies between them need not be a multiple of c0's step
        for direction in (1, -1):
            near = c1 + direction
            while abs(near) <= self.steepest:
                line, _, apart = self._at(near, limits)
                width = max(width, apart)
                if line is not None:
                    return line, apart
                if apart < 0 and abs(near - c1) > 1:
                    break
                near += direction
        return None, width

    def _at(self, c1: int, limits: _Limits) -> tuple[Lines | None, int, int]:
        below, above = (one.value - c1 * one.d for one in limits)
        left, right = below.argmax(), above.argmin()
        low, high = int(below[left]), int(above[right])
        least, most = -(-low // self.step), high // self.step
        turn = int(limits.low.d[left]) - int(limits.high.d[right])
        return (Lines(0, c1, least, most) if least <= most else None), turn, high - low

    def simplest(self, start: int, end: int) -> tuple[int, int, int]:
        """c0, c1, c2 for the segment, of all valid ones those with the most trailing zeros, c1's first.

        If mirrored, of c1 with 1 added; 0 is simplest.
        """
        line = self.line(start, end)
        assert line is not None
        limits = self._part(start, end)
        if not len(limits.low.d):
            return 0, 0, 0
        if self.shape.mirrored:
            if line.c1:
                limits, line = _odd(limits), line._replace(c1=(line.c1 - 1) // 2)
                line = _of_odd(self._simple(line, limits, offset=1))
            return _roundest(line.least, line.most), line.c1, 0
        bent = self._bent(line.c2, limits) if self.shape.degree == 2 else limits
        chosen = self._simple(line, bent)
        return _roundest(chosen.least, chosen.most), chosen.c1, line.c2

    def _simple(self, line: Lines, limits: _Limits, offset: int = 0) -> Lines:
        """Of the valid lines near ``line`` the one whose slope plus ``offset`` has the most trailing zeros."""
        others = [line]
        for direction in (1, -1):
            for away in range(1, _NEAR + 1):
                other, _, width = self._at(line.c1 + direction * away, limits)
                if other is not None:
                    others.append(other)
                elif width < self.step:
                    break
        return max(others, key=lambda one: (_zeros(one.c1 + offset), -abs(one.c1 + offset)))


def _odd(limits: _Limits) -> _Limits:
    """For n in the slope ``2 n + 1``."""
    low, high = (one._replace(d=2 * one.d, value=one.value - one.d) for one in limits)
    return _Limits(low, high)


def _of_odd(line: Lines) -> Lines:
    return line._replace(c1=2 * line.c1 + 1)


def _slope(limits: _Limits) -> int:
    """c1 of the line through the middle of both ends."""
    (low, high), last = limits, int(limits.low.d[-1]) - int(limits.low.d[0])
    rise = int(low.value[-1]) + int(high.value[-1]) - int(low.value[0]) - int(high.value[0])
    return int(rise // (2 * last)) if last else 0


def _curvature(limits: _Limits, truncated: int) -> int:
    """c2 of the parabola through the middle of both ends and of the middle."""
    d, middle = limits.low.d, len(limits.low.d) // 2
    a, b, c = (int(d[n]) for n in (0, middle, -1))
    if len({a, b, c}) < 3:
        return 0
    fa, fb, fc = ((int(limits.low.value[n]) + int(limits.high.value[n])) / 2 for n in (0, middle, -1))
    bend: float = ((fc - fb) / (c - b) - (fb - fa) / (b - a)) / (c - a)
    return round(bend * (1 << truncated))


def _thinned(limit: _Limit, shape: Shape) -> _Limit:
    """Without values on or below the chord of two others of the same cell, which limit no line any further."""
    (key, d, value), cell = limit, 1 << shape.grid
    if shape.offset_bits is not None:
        return limit
    while True:
        inner = np.zeros(len(d), np.bool_)
        inner[1:-1] = (key[:-2] // cell == key[2:] // cell) & (
            (value[1:-1] - value[:-2]) * (d[2:] - d[:-2]) <= (value[2:] - value[:-2]) * (d[1:-1] - d[:-2])
        )
        inner[1:] &= ~(inner[:-1] & (np.arange(1, len(d)) % 2 == 0))  # of two neighbors, one at a time
        inner[:-1] &= ~(inner[1:] & (np.arange(len(d) - 1) % 2 == 0))
        if not inner.any():
            return _Limit(key, d, value)
        key, d, value = key[~inner], d[~inner], value[~inner]


def _zeros(value: int) -> int:
    """Trailing zeros; 0 has more than any other number."""
    return (value & -value).bit_length() if value else 1 << 10


def _roundest(least: int, most: int) -> int:
    """The integer from ``least`` to ``most`` with the most trailing zeros."""
    if least <= 0 <= most:
        return 0
    bit = max(0, (most - least + 1).bit_length() - 1)
    while (most >> (bit + 1)) << (bit + 1) >= least:
        bit += 1
    return (most >> bit) << bit
