"""A counter of events, several per cycle."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class EventCounter(wiring.Component):
    """``count <= min((0 if clear else count) + events, 2**width - 1)``, with the events of the cycle before.

    Latency: 2 cycles from an event to the count. A clear keeps the events of its own cycle and of the cycle before.

    Parameters:
        lanes: events that may happen in one cycle.
        width: bits of the count.

    Members:
        lanes: a bit per event: whether it happens.
        clear: starts again from 0.
        count: the events so far, at most ``2**width - 1``.
    """

    def __init__(self, *, lanes: int, width: int = 32) -> None:
        super().__init__({"lanes": In(lanes), "clear": In(1), "count": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        events = Signal(range(len(self.lanes) + 1))
        m.d.sync += events.eq(popcount(self.lanes))
        accumulate(m, events, clear=self.clear, count=self.count)
        return m


def popcount(bits: Value) -> Value:
    """How many bits are 1."""
    if len(bits) == 1:
        return bits
    middle = len(bits) // 2
    return popcount(bits[:middle]) + popcount(bits[middle:])


def accumulate(m: Module, events: Signal, *, clear: Value, count: Signal) -> None:
    """``count <= min((0 if clear else count) + events, its maximum)``.

    The total stops once it has passed its end, and the count saturates by an OR behind the register, which keeps both
    comparison and OR off the adder's path.
    """
    width = len(count)
    total = Signal(max(width, len(events)) + 1)
    past = Signal()
    m.d.comb += [past.eq(total[width:].any()), count.eq(total[:width] | past.replicate(width))]
    with m.If(clear):  # synthesis uses the flip-flops' reset, except for the few bits of events
        m.d.sync += total.eq(events)
    with m.Elif(~past):
        m.d.sync += total.eq(total + events)
