"""Where everything lies: without overlaps, aligned, as hardware computes it."""

from itertools import pairwise

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.image.header import TABLES
from qse_hw.golden.models.integer.image.layout import (
    ALIGNMENT,
    BY_NAME,
    PARTS,
    SECTIONS,
    Sizes,
    extents,
    place,
)

SIZES = Sizes(
    layers=3, d_model=10, d_inner=14, d_state=3, dt_rank=5, d_conv=3, vocab_size=23, rows=4, columns=6
)  # fmt: skip


def test_every_byte_belongs_to_one_array_at_most():
    places = place(SIZES, TABLES)
    used = []
    for one in places:
        for copy in range(one.copies):
            begin = one.offset + copy * one.stride
            used += [(begin, begin + one.bytes, one.section.part)]
            assert begin % (one.bits // 8) == 0, "aligned to its elements"
    used.sort()
    assert used[0][0] >= TABLES
    for (_, end, part), (begin, _, following) in pairwise(used):
        assert end <= begin
        gap = ALIGNMENT if part != following else PARTS[part].alignment
        assert begin - end < gap
    for part, (begin, length) in extents(places).items():
        own = [(start, end) for start, end, name in used if name == part]
        assert begin % ALIGNMENT == length % ALIGNMENT == 0
        assert (begin, max(end for _, end in own)) == (own[0][0], own[-1][1])
        assert 0 <= begin + length - own[-1][1] < ALIGNMENT


def test_weights_and_their_scales_are_streams_without_gaps():
    """Of an engine of 4 x 6: the gate's first three tiles come before x_proj, the last rows of dt before the gate's."""
    places = {one.section.name: one for one in place(SIZES, TABLES)}
    beats = {"conv_input": 4 * 2, "gate": 4 * 2, "dt_low": 2 * 3, "B": 1 * 3, "C": 1 * 3, "dt": 4 * 1, "out": 3 * 3}
    weights, head = places["weights"], places["head_weights"]
    assert (weights.bytes, weights.stride, weights.copies) == (24 * sum(beats.values()),) * 2 + (3,)
    assert (head.offset, head.bytes) == (weights.offset + 3 * weights.stride, 6 * 2 * 24)
    scales, head = places["row_scales"], places["head_row_scales"]
    assert (scales.bytes, scales.stride) == (4 * (14 + 14 + 5 + 3 + 3 + 14 + 10),) * 2
    assert (head.offset, head.bytes) == (scales.offset + 3 * scales.stride, 4 * 23)


def test_names_and_parts():
    assert len(BY_NAME) == len(SECTIONS)
    assert all(len(section.name.encode()) <= 24 and section.part in PARTS for section in SECTIONS)
    assert all(len(part.encode()) <= 16 for part in PARTS)


@pytest.mark.parametrize(("size", "value", "words"), [
    ("layers", 0, "Image's layers must be from 1 to 4294967295, not 0"),
    ("columns", -1, "Image's columns must be from 1 to 4294967295, not -1"),
    ("vocab_size", 1 << 32, "Image's vocab_size must be from 1 to 4294967295, not 4294967296"),
    ("rows", 171, "Image's rows times columns must be at most 1024, not 171 times 6"),
])  # fmt: skip
def test_sizes_out_of_range(size, value, words):
    with pytest.raises(InputError, match=words):
        Sizes(**{**SIZES.__dict__, size: value})
