"""Choices, comparisons and sums with constants, written so that synthesis makes them smaller or faster."""

from functools import reduce

from amaranth.hdl import Cat, Const, Mux, Value


def choose(values: list[Value], flags: list[Value]) -> Value:
    """``values[n]``, n the number of the last flag that is set (flag 0 selects ``values[1]``), else ``values[0]``."""
    return reduce(lambda low, pair: Mux(pair[0], pair[1], low), zip(flags, values[1:], strict=True), values[0])


def rank(flags: list[Value]) -> Value:
    """How many of ``flags`` are set; a flag is set only if all before it are."""
    width = len(flags).bit_length()

    def bit(n: int) -> Value:
        # set from 2**n on, cleared from 2**(n + 1) on, set again ...
        value: Value = Const(0, 1)
        for number in range(1 << n, len(flags) + 1, 1 << n):
            flag = flags[number - 1]
            value = value | flag if number >> n & 1 else value & ~flag
        return value

    return Cat(bit(n) for n in range(width))


def pick(index: Value, values: list[Value]) -> Value:
    """``values[index]``, all of one width; the last one for larger indices.

    Made of ANDs and ORs: synthesis would turn a multiplexer with a constant input into a reset, which is slow for
    registers with an enable.
    """
    if len(values) == 1:
        return values[0]
    half = 1 << ((len(values) - 1).bit_length() - 1)
    bit = index[half.bit_length() - 1].replicate(len(values[0]))
    low, high = pick(index, values[:half]), pick(index, values[half:])
    return high & bit | low & ~bit


def table(index: Value, rows: list[int], width: int | None = None) -> Value:
    """``rows[index]``; the last row for larger indices."""
    width = max(1, *map(int.bit_length, rows)) if width is None else width
    return pick(index, [Const(row, width) for row in rows])


def resize(value: Value, width: int) -> Value:
    """``value`` modulo ``2**width``, unsigned, extended with its sign if it has one and is narrower."""
    if len(value) < width:
        fill = value[-1] if value.shape().signed else Const(0, 1)
        return Cat(value, fill.replicate(width - len(value)))
    return value[:width]


def same_sign(value: Value, like: Value) -> Value:
    """``value``, as signed if ``like`` is signed; slices and concatenations are unsigned."""
    return value.as_signed() if like.shape().signed else value


def greater_equal(value: Value, constant: int) -> Value:
    """``value >= constant``, as a chain of ANDs and ORs; synthesis would make it a carry chain."""
    bits = [value[n] for n in range(len(value))]
    if value.shape().signed:  # to offset binary
        bits[-1] = ~bits[-1]
        constant += 1 << (len(bits) - 1)
    if constant <= 0:
        return Const(1, 1)
    if constant >> len(bits):
        return Const(0, 1)
    result: Value = Const(1, 1)
    for n, bit in enumerate(bits):
        result = bit & result if constant >> n & 1 else bit | result
    return result


def subtract_from(constant: int, value: Value, bits: int) -> Value:
    """``constant - value`` modulo ``2**bits``, for a few bits: look-up tables instead of a carry chain."""
    difference: list[Value] = []
    borrow: Value = Const(0, 1)
    for n in range(bits):
        bit = value[n] if n < len(value) else Const(0, 1)
        if constant >> n & 1:
            difference.append(~(bit ^ borrow))
            borrow = bit & borrow
        else:
            difference.append(bit ^ borrow)
            borrow = bit | borrow
    return Cat(*difference)
