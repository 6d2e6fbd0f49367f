"""A counter that wraps around."""

from amaranth.hdl import Module, Signal, ValueLike


def count(m: Module, period: int, name: str, *, restart: ValueLike = 0) -> tuple[Signal, Signal]:
    """``(position, last)``: a position that cycles through 0 to ``period - 1``, and whether it is ``period - 1``.

    It counts in the ``sync`` domain, under the ``m.If`` conditions around the call; ``restart`` sets it to 0. ``last``
    is a register, to keep the comparison off the path.
    """
    position, last = Signal(range(period), name=name), Signal(init=int(period == 1), name=f"{name}_last")
    if period > 1:
        with m.If(restart | last):
            m.d.sync += [position.eq(0), last.eq(0)]
        with m.Else():
            m.d.sync += [position.eq(position + 1), last.eq(position == period - 2)]
    return position, last
