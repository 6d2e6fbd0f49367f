"""Which segment an argument lies in: its number in Gray code, in which each border is compared with once only."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Value

from qse_hw.rtl_gen.logic.select import greater_equal


def gray(number: int) -> int:
    """The Gray code: from one number to the next a single bit changes."""
    return number ^ (number >> 1)


def segment_code(t: Value, starts: Sequence[int]) -> Value:
    """:func:`gray` of the number of the segment that ``t`` lies in; ``starts``: the segments' first arguments."""
    flags = [greater_equal(t[_zeros(start) :], start >> _zeros(start)) for start in starts[1:]]

    def bit(n: int) -> Value:
        """Bit n of the code: it changes at some borders, and is set after every other one of them."""
        mine = [flag for number, flag in enumerate(flags) if (gray(number) ^ gray(number + 1)) >> n & 1]
        value: Value = Const(0, 1)
        for number in range(0, len(mine), 2):
            value |= mine[number] & ~mine[number + 1] if number + 1 < len(mine) else mine[number]
        return value

    return Cat(bit(n) for n in range((len(starts) - 1).bit_length())) if flags else Const(0, 1)


def by_code(rows: Sequence[int]) -> list[int]:
    """``rows``, one for each segment, in the order of the segments' codes; unused codes get the last row."""
    ordered = [rows[-1]] * (1 << (len(rows) - 1).bit_length())
    for number, row in enumerate(rows):
        ordered[gray(number)] = row
    return ordered


def _zeros(number: int) -> int:
    return (number & -number).bit_length() - 1
