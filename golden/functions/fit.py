"""Borders between segments: the cheapest with which every segment has coefficients.

Coefficients are searched as the hardware's integers, so nothing is rounded afterwards. Coefficients that keep every
argument of a segment in its interval do so for each part of the segment. So the furthest end of a segment never moves
back as its start moves on, and one sweep finds all furthest ends. Dynamic programming over the borders then finds the
cheapest path: a segment costs its coefficients, a border the bits of the argument that are compared with it.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from qse_hw.golden.functions.constraints import Constraints
from qse_hw.golden.functions.lines import Coefficients
from qse_hw.golden.functions.polynomial import PiecewisePolynomial
from qse_hw.golden.functions.shape import Shape

SEGMENT_COST = 1.6
"""About how many 4-input look-up tables a segment's coefficients take."""
BIT_COST = 1 / 6
"""Look-up tables for each bit of the argument that is compared with a border."""


def fit(constraints: Constraints, shape: Shape, argument_bits: int, most: int) -> PiecewisePolynomial | None:
    """The polynomial with the cheapest borders, or None if there is none, or if it has more than ``most`` segments."""
    search = Coefficients(constraints, shape)
    end = 1 << argument_bits
    if shape.borders == "free":
        starts = _free(search, end)
    elif shape.borders == "equal":
        starts = _equal(search, end, most)
    else:
        starts = _aligned(search, end)
    if starts is None or len(starts) > most:
        return None
    segments = list(pairwise([*starts, end]))
    chosen = [search.simplest(*segment) for segment in segments]
    return PiecewisePolynomial(
        starts=tuple(starts),
        c0=tuple(one[0] for one in chosen),
        c1=tuple(one[1] for one in chosen),
        c2=tuple(one[2] for one in chosen) if shape.degree == 2 else (),
        coarse=() if shape.offset_bits is None else tuple(shape.coarse(after - start) for start, after in segments),
        local=shape.local,
        offset_bits=shape.offset_bits,
        sum_bits=shape.sum_bits,
        dropped=shape.dropped,
        truncated=shape.truncated,
    )


def border_cost(start: int, argument_bits: int) -> float:
    """The cost of the border at ``start``: its trailing zeros need no comparison."""
    zeros = (start & -start).bit_length() - 1 if start else argument_bits
    return (argument_bits - zeros) * BIT_COST


def _free(search: Coefficients, end: int) -> list[int] | None:
    """The cheapest starts among the multiples of the grid."""
    length = 1 << search.shape.grid
    cells = end // length
    furthest = _furthest(search, cells, length)
    if furthest is None:
        return None
    bits = end.bit_length() - 1
    own = np.array([SEGMENT_COST + border_cost(cell * length, bits) for cell in range(cells)])
    while True:
        cost = np.zeros(cells + 1)
        following = np.zeros(cells, np.int64)
        for cell in reversed(range(cells)):
            ahead = cost[cell + 1 : furthest[cell] + 1]
            following[cell] = cell + 1 + int(ahead.argmin())
            cost[cell] = own[cell] + ahead.min()
        path = [0]
        while path[-1] < cells:
            path.append(int(following[path[-1]]))
        # for degree 2 the search may miss coefficients of a part of a segment
        missed = next((pair for pair in pairwise(path) if not search.line(*(cell * length for cell in pair))), None)
        if missed is None:
            return [cell * length for cell in path[:-1]]
        furthest[missed[0]] = missed[1] - 1


def _furthest(search: Coefficients, cells: int, length: int) -> npt.NDArray[np.int64] | None:
    """The furthest end of a segment from each cell, in cells; None if a cell has no coefficients."""
    ends = np.zeros(cells, np.int64)
    end, step = 0, 1
    for cell in range(cells):
        if end <= cell:
            end = cell + 1
            if not search.line(cell * length, end * length):
                return None
        while end < cells:  # steps double, then halve
            ahead = min(cells, end + step)
            if search.line(cell * length, ahead * length):
                end, step = ahead, 2 * step
            elif ahead == end + 1:
                step = 1
                break
            else:
                step = max(1, step // 2)
        ends[cell] = end
    return ends


def _aligned(search: Coefficients, end: int) -> list[int] | None:
    """The fewest segments whose lengths are powers of two that divide their starts: others are halved."""
    starts: list[int] = []

    def halve(start: int, length: int) -> bool:
        if search.line(start, start + length):
            starts.append(start)
            return True
        return length > 1 << search.shape.grid and all(halve(start + n, length // 2) for n in (0, length // 2))

    return starts if halve(0, end) else None


def _equal(search: Coefficients, end: int, most: int) -> list[int] | None:
    """Starts of segments as long as the grid."""
    length = 1 << search.shape.grid
    starts = list(range(0, end, length))
    return starts if len(starts) <= most and all(search.line(one, one + length) for one in starts) else None
