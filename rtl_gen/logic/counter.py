"""A counter that starts again."""

from amaranth.hdl import Module, Signal, ValueLike


def count(m: Module, period: int, name: str, *, restart: ValueLike = 0) -> tuple[Signal, Signal]:
    """``(position, last)``: from 0 to ``period - 1`` over and over, and whether it is there.

    It counts in the ``sync`` domain, under the conditions in which this is called; after ``restart`` it is 0. ``last``
    is a register, since a comparison takes time.
    """
    position, last = Signal(range(period), name=name), Signal(init=int(period == 1), name=f"{name}_last")
    if period > 1:
        with m.If(restart | last):
            m.d.sync += [position.eq(0), last.eq(0)]
        with m.Else():
            m.d.sync += [position.eq(position + 1), last.eq(position == period - 2)]
    return position, last
