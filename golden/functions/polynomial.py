"""A piecewise polynomial in integers: the arithmetic that the hardware copies."""

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class PiecewisePolynomial:
    """``p(t) = (c0 << dropped) + (c1 + ((c2 * d) >> truncated)) * d``, by the segment that the argument t lies in.

    ``d`` is t itself; or, if ``local``, t minus the start of its segment; or, with ``offset_bits``, so many bits of t,
    above its ``coarse`` lowest bits.

    Attributes:
        starts: first argument of each segment, ascending; the first is 0, and the last segment has no end.
        c0, c1, c2: coefficients of each segment, integers; c2 is empty for degree 1.
        local: whether d counts from the segment's start.
        offset_bits: bits of d, or None.
        coarse: of each segment, bits of t below d; empty without ``offset_bits``.
        sum_bits: fraction bits of p.
        dropped: the lowest of them, which c0 does not have.
        truncated: bits of ``c2 * d`` below those of c1.
    """

    starts: tuple[int, ...]
    c0: tuple[int, ...]
    c1: tuple[int, ...]
    c2: tuple[int, ...] = ()
    local: bool = False
    offset_bits: int | None = None
    coarse: tuple[int, ...] = ()
    sum_bits: int
    dropped: int
    truncated: int = 0

    @property
    def degree(self) -> int:
        """1 or 2."""
        return 2 if self.c2 else 1

    @property
    def segments(self) -> int:
        """How many there are."""
        return len(self.starts)

    def __call__(self, t: int, key: int | None = None) -> int:
        """The value at an argument; ``key``: the number whose segment counts, if not the argument's own."""
        k = bisect_right(self.starts, t if key is None else key) - 1
        d = t - self.starts[k] if self.local else t
        if self.offset_bits is not None:
            d = (d >> self.coarse[k]) & ((1 << self.offset_bits) - 1)
        slope = self.c1[k]
        if self.c2:
            slope += (self.c2[k] * d) >> self.truncated
        return (self.c0[k] << self.dropped) + slope * d

    def extremes(self, first: int, last: int) -> tuple[int, int]:
        """The least and the largest value at the arguments from ``first`` to ``last``.

        Of degree 1 those at both ends of every segment, between which lines have no others.
        """
        if self.degree == 2:
            t = np.arange(first, last + 1, dtype=np.int64)
        else:
            starts = np.array(self.starts, np.int64)
            t = np.unique(np.clip([*starts, *(starts - 1), first, last], first, last))
        values = self.array(t)
        return int(values.min()), int(values.max())

    def array(self, t: Integers, key: Integers | None = None) -> Integers:
        """The values at arguments of any shape; ``key`` likewise."""
        starts = np.array(self.starts, np.int64)
        k = np.searchsorted(starts, t if key is None else key, side="right") - 1
        d = t - starts[k] if self.local else t
        if self.offset_bits is not None:
            d = (d >> np.array(self.coarse, np.int64)[k]) & ((1 << self.offset_bits) - 1)
        slope = np.array(self.c1, np.int64)[k]
        if self.c2:
            slope = slope + ((np.array(self.c2, np.int64)[k] * d) >> self.truncated)
        values: Integers = (np.array(self.c0, np.int64)[k] << self.dropped) + slope * d
        return values
