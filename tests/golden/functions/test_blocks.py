"""Blocks of segments: every argument's segment has a code of its own, and blocks are as large as can be."""

from bisect import bisect_right

import pytest

from qse_hw.golden.functions.blocks import Block, blocks, by_code, codes, gray

BITS = 6
STARTS = [
    [0],
    [0, 32],
    list(range(0, 64, 4)),
    [0, 4, 8, 12, 16, 24, 32, 48],  # shorter at the beginning, as softplus has them
    [0, 16, 18, 20, 22, 24, 28, 32, 48, 49, 50, 52, 56],
]


@pytest.mark.parametrize("starts", STARTS, ids=str)
def test_codes_are_bits_of_the_argument(starts):
    """What the hardware computes: of the block that the highest bits select, its code and the next bits."""
    made, order = blocks(starts, BITS), codes(starts, BITS)
    for t in range(1 << BITS):
        (block,) = (one for one in made if t >> one.bits == one.start >> one.bits)
        low = t >> block.length_bits & ((1 << block.count_bits) - 1)
        assert block.code | low == order[bisect_right(starts, t) - 1]
        assert block.code % (1 << block.count_bits) == 0 == block.start % (1 << block.bits)
    assert sorted(order) == list(range(len(starts)))
    assert by_code([f"row {n}" for n in range(len(starts))], order)[order[-1]] == f"row {len(starts) - 1}"


def test_blocks_are_few():
    assert blocks(STARTS[2], BITS) == [Block(0, 2, 4, 0)]
    assert blocks(STARTS[3], BITS) == [Block(0, 2, 2, 0), Block(16, 3, 1, 4), Block(32, 4, 1, 6)]


@pytest.mark.parametrize("starts", [[0, 3], [0, 16, 24, 56], [0, 8, 24, 32]], ids=str)
def test_other_segments_have_gray_codes(starts):
    assert blocks(starts, BITS) is None
    assert codes(starts, BITS) == [gray(n) for n in range(len(starts))]


def test_unused_codes_have_the_last_row():
    assert by_code([5, 6, 7], [0, 1, 2]) == [5, 6, 7, 7]
    assert by_code([5, 6, 7], [0, 1, 3]) == [5, 6, 7, 7]
    assert by_code([5], [0]) == [5]
