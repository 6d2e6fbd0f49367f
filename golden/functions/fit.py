"""Borders between segments: the cheapest with which every segment has coefficients.

Coefficients are searched as the hardware's integers, so nothing is rounded afterwards. Coefficients that keep every
argument of a segment in its interval do so for each part of the segment (if the argument is multiplied as it is). So
the furthest end of a segment never moves back as its start moves on, and one sweep finds all furthest ends. Dynamic
programming over the borders then finds the cheapest path: a segment costs its coefficients, a border the bits of the
argument that are compared with it. For degree 2 coefficients are searched by a heuristic
(:class:`qse_hw.golden.functions.lines.Coefficients`), so the path is the cheapest only of those with the coefficients
that it has.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from qse_hw.golden.functions.constraints import Constraints
from qse_hw.golden.functions.cost import BLOCK_COST, border_cost
from qse_hw.golden.functions.lines import Coefficients
from qse_hw.golden.functions.polynomial import PiecewisePolynomial
from qse_hw.golden.functions.shape import Shape

SEGMENT_COSTS = (0.4, 1.6, 6.4)
"""Look-up tables that a segment's coefficients take: about 1.6, less until their number passes a power of two."""


def fit(constraints: Constraints, shape: Shape, argument_bits: int, most: int) -> list[PiecewisePolynomial]:
    """Polynomials with the cheapest borders for each of the costs of a segment; none if there is none.

    Those of more than ``most`` segments are left out.
    """
    search = Coefficients(constraints, shape)
    end = 1 << argument_bits
    if shape.borders == "free":
        found = _free(search, end)
    elif shape.borders == "equal":
        found = [_equal(search, end, most)]
    else:
        found = [_aligned(search, end, segment) for segment in SEGMENT_COSTS]
    return [_made(search, starts, end) for starts in found if starts is not None and len(starts) <= most]


def _made(search: Coefficients, starts: list[int], end: int) -> PiecewisePolynomial:
    shape, segments = search.shape, list(pairwise([*starts, end]))
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


def _free(search: Coefficients, end: int) -> list[list[int] | None]:
    """The cheapest starts among the multiples of the grid, for each of the costs."""
    length = 1 << search.shape.grid
    cells = end // length
    furthest = _furthest(search, cells, length)
    if furthest is None:
        return []
    bits = end.bit_length() - 1
    borders = np.array([border_cost(cell * length, bits) for cell in range(cells)])
    return [_cheapest(search, furthest, borders + segment, length) for segment in SEGMENT_COSTS]


def _cheapest(
    search: Coefficients, furthest: npt.NDArray[np.int64], own: npt.NDArray[np.float64], length: int
) -> list[int]:
    """The starts of the segments from cells with the least sum of ``own``, none of which ends beyond ``furthest``."""
    cells = len(own)
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


def _aligned(search: Coefficients, end: int, segment: float) -> list[int] | None:
    """The cheapest starts of segments whose lengths are powers of two that divide them.

    A part of the arguments is a block with segments of one length, or both of its halves by themselves
    (:mod:`qse_hw.golden.functions.blocks`).
    """

    def best(start: int, bits: int) -> tuple[float, int, list[int]] | None:
        """The cost of a part, log2 of the segments that it has if all are of one length, and the starts."""
        if search.line(start, start + (1 << bits)):
            return BLOCK_COST + segment, 0, [start]
        if bits <= search.shape.grid:
            return None
        half = 1 << (bits - 1)
        low = best(start, bits - 1)
        high = best(start + half, bits - 1) if low else None
        if low is None or high is None:
            return None
        apart, depth = low[0] + high[0], 1 + max(low[1], high[1])
        together = BLOCK_COST + segment * (1 << depth)
        if together <= apart:
            length = 2 * half >> depth
            starts = list(range(start, start + 2 * half, length))
            # some are parts of segments that have coefficients, and may have none themselves
            if search.have_parts or all(search.line(one, one + length) for one in starts):
                return together, depth, starts
        return apart, depth, low[2] + high[2]

    made = best(0, end.bit_length() - 1)
    return None if made is None else made[2]


def _equal(search: Coefficients, end: int, most: int) -> list[int] | None:
    """Starts of segments as long as the grid."""
    length = 1 << search.shape.grid
    starts = list(range(0, end, length))
    return starts if len(starts) <= most and all(search.line(one, one + length) for one in starts) else None
