"""Which segment an argument lies in: its code, by blocks of one length, or by comparison with the borders."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Value

from qse_hw.golden.functions.blocks import blocks, gray
from qse_hw.rtl_gen.logic.select import greater_equal


def segment_code(t: Value, starts: Sequence[int]) -> Value:
    """The code (:func:`qse_hw.golden.functions.blocks.codes`) of the segment that ``t`` lies in, by their starts."""
    made = blocks(starts, len(t))
    if made is None:
        return _gray_code(t, starts)  # in which each border is compared with once only
    code: Value = Const(0, max(1, (len(starts) - 1).bit_length()))
    for block in made:
        number = Cat(t[block.length_bits : block.bits], Const(block.code >> block.count_bits, len(code)))[: len(code)]
        code |= number & (t[block.bits :] == block.start >> block.bits).replicate(len(code))
    return code


def _gray_code(t: Value, starts: Sequence[int]) -> Value:
    flags = [greater_equal(t[_zeros(start) :], start >> _zeros(start)) for start in starts[1:]]

    def bit(n: int) -> Value:
        """Bit n of the code: it changes at some borders, and is set after every other one of them."""
        mine = [flag for number, flag in enumerate(flags) if (gray(number) ^ gray(number + 1)) >> n & 1]
        value: Value = Const(0, 1)
        for number in range(0, len(mine), 2):
            value |= mine[number] & ~mine[number + 1] if number + 1 < len(mine) else mine[number]
        return value

    return Cat(bit(n) for n in range((len(starts) - 1).bit_length())) if flags else Const(0, 1)


def _zeros(number: int) -> int:
    return (number & -number).bit_length() - 1
