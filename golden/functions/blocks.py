"""Segments whose lengths are powers of two, numbered so that a few of the argument's bits are most of the number.

A block is an aligned part of the arguments with segments of one length: the highest bits of an argument select the
block, the next ones are the low bits of the segment's number, the code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Block:
    """``2**count_bits`` segments of ``2**length_bits`` arguments from ``start`` on, with codes from ``code`` on.

    Both are multiples of the block's own size.
    """

    start: int
    length_bits: int
    count_bits: int
    code: int

    @property
    def bits(self) -> int:
        """Bits of the argument below those that select the block."""
        return self.length_bits + self.count_bits


def blocks(starts: Sequence[int], argument_bits: int) -> list[Block] | None:
    """The largest blocks of the segments from ``starts`` on, largest numbers of segments first.

    None if there is a segment that is not an aligned power of two.
    """
    ends = [*starts, 1 << argument_bits]
    lengths = {start: end - start for start, end in pairwise(ends)}
    if any(length & (length - 1) or start % length for start, length in lengths.items()):
        return None

    def split(start: int, bits: int) -> list[tuple[int, int, int]]:
        inside = {lengths[one] for one in starts if start <= one < start + (1 << bits)}
        if len(inside) == 1:
            length_bits = inside.pop().bit_length() - 1
            return [(start, length_bits, bits - length_bits)]
        return split(start, bits - 1) + split(start + (1 << bits >> 1), bits - 1)

    made, code = [], 0
    for start, length_bits, count_bits in sorted(split(0, argument_bits), key=lambda one: -one[2]):
        made.append(Block(start, length_bits, count_bits, code))
        code += 1 << count_bits
    return made


def codes(starts: Sequence[int], argument_bits: int) -> list[int]:
    """The code of each segment; of other segments than :func:`blocks` takes, the Gray code of its number."""
    made = blocks(starts, argument_bits)
    if made is None:
        return [gray(number) for number in range(len(starts))]
    numbers = {
        block.start + (number << block.length_bits): block.code + number
        for block in made
        for number in range(1 << block.count_bits)
    }
    return [numbers[start] for start in starts]


def by_code(rows: Sequence[int], order: Sequence[int]) -> list[int]:
    """``rows``, one for each segment, in the order of their codes; unused codes get the last row."""
    ordered = [rows[-1]] * (1 << max(order).bit_length())
    for code, row in zip(order, rows, strict=True):
        ordered[code] = row
    return ordered


def gray(number: int) -> int:
    """The Gray code: from one number to the next a single bit changes."""
    return number ^ (number >> 1)
