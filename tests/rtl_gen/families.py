"""Formats that are set at run time: random members of a family."""

import numpy as np

from qse_hw.golden.formats.segmented import MAX_REACH, Segment, SegmentedFormat
from qse_hw.rtl_gen.lane.format_family import FormatFamily


def member(rng: np.random.Generator, family: FormatFamily) -> SegmentedFormat:
    """A format of the family: counts, codes in any order with gaps, zero point, at random within the rules."""
    count, limit = len(family.shifts), 1 << family.field
    while True:
        codes = rng.integers(1, rng.choice([3, 8, max(4, limit // count)]), count)
        codes[-1] += count == 1
        gaps = rng.integers(0, 3, count)
        order = rng.permutation(count)
        first = np.zeros(count, int)
        ends = np.cumsum((codes + gaps)[order])
        first[order] = ends - codes[order]
        reach = np.cumsum(codes << np.array(family.shifts))
        if ends[-1] <= limit and reach[-1] <= MAX_REACH:
            break
    segments = tuple(
        Segment(codes=c, log2_step=s, first_code=f) for c, s, f in zip(codes, family.log2_steps, first, strict=True)
    )
    zero_point = 0
    if family.kind == "offset":
        finest = int(rng.choice(np.flatnonzero(np.array(family.shifts) == 0)))
        zero_point = int(rng.integers(reach[finest] - codes[finest], reach[finest]))
    return SegmentedFormat(
        name="member", bits=family.bits, kind=family.kind, segments=segments, zero_point=zero_point
    )
