"""Where everything lies: without overlaps, aligned, as hardware computes it."""

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
    tiles,
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
    for (_, end, part), (begin, _, following) in zip(used, used[1:], strict=False):
        assert end <= begin
        gap = ALIGNMENT if part != following else PARTS[part].alignment
        assert begin - end < gap
    for part, (begin, length) in extents(places).items():
        own = [(start, end) for start, end, name in used if name == part]
        assert begin % ALIGNMENT == 0
        assert (begin, max(end for _, end in own)) == (own[0][0], own[-1][1])
        assert 0 <= begin + length - own[-1][1] < PARTS[part].alignment


def test_weights_and_their_scales_are_streams_without_gaps():
    """Of an engine of 4 x 6, beat by beat; rows that fill up have no scale."""
    places = {one.section.name: one for one in place(SIZES, TABLES)}
    beats = {"conv_input": 4 * 2, "dt_low": 2 * 3, "B": 1 * 3, "C": 1 * 3, "dt": 4 * 1, "gate": 4 * 2, "out": 3 * 3}
    offset = first = places["conv_input_weights"].offset
    for name, count in beats.items():
        assert places[f"{name}_weights"].offset == offset
        assert places[f"{name}_weights"].bytes == count * 24
        offset += count * 24
    assert places["out_weights"].stride == offset - first
    assert places["head_weights"].offset == first + 3 * (offset - first)
    assert places["head_weights"].bytes == 6 * 2 * 24
    rows = {"conv_input": 14, "dt_low": 5, "B": 3, "C": 3, "dt": 14, "gate": 14, "out": 10}
    offset = first = places["conv_input_scale"].offset
    for name, count in rows.items():
        assert (places[f"{name}_scale"].offset, places[f"{name}_scale"].bytes) == (offset, 4 * count)
        offset += 4 * count
    assert places["head_scale"].offset == first + 3 * (offset - first)


def test_names_and_parts():
    assert len(BY_NAME) == len(SECTIONS)
    assert all(len(section.name.encode()) <= 24 and section.part in PARTS for section in SECTIONS)
    assert all(len(part.encode()) <= 16 for part in PARTS)
    assert [section.name for section in SECTIONS if section.part == "weights"] == [
        "conv_input_weights", "dt_low_weights", "B_weights", "C_weights", "dt_weights", "gate_weights", "out_weights",
        "head_weights",
    ]  # fmt: skip


def test_tiles():
    assert tiles((14, 10), SIZES) == (4, 2)
    assert tiles((4, 6), SIZES) == (1, 1)


@pytest.mark.parametrize(("size", "value", "words"), [
    ("layers", 0, "Image's layers must be from 1 to 4294967295, not 0"),
    ("columns", -1, "Image's columns must be from 1 to 4294967295, not -1"),
    ("vocab_size", 1 << 32, "Image's vocab_size must be from 1 to 4294967295, not 4294967296"),
    ("rows", 171, "Image's rows times columns must be at most 1024, not 171 times 6"),
])  # fmt: skip
def test_sizes_out_of_range(size, value, words):
    with pytest.raises(InputError, match=words):
        Sizes(**{**SIZES.__dict__, size: value})
