"""Choosing among constants and slices by thermometer flags; resizing. Shared by encoder and decoder."""

from functools import reduce

from amaranth.hdl import Cat, Const, Mux, Value


def choose(values: list[Value], flags: list[Value]) -> Value:
    """``values[n]``, n the number of the last flag that is set (flag 0 selects ``values[1]``), else ``values[0]``."""
    return reduce(lambda low, pair: Mux(pair[0], pair[1], low), zip(flags, values[1:], strict=True), values[0])


def resize(value: Value, width: int) -> Value:
    """``value`` modulo ``2**width``, unsigned, extended with its sign if it has one and is narrower."""
    if len(value) < width:
        fill = value[-1] if value.shape().signed else Const(0, 1)
        return Cat(value, fill.replicate(width - len(value)))
    return value[:width]
