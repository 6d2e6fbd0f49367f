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
        width = len(self.count)
        events = Signal(range(len(self.lanes) + 1))
        total = Signal(width + 1)
        m.d.sync += events.eq(_popcount(self.lanes))
        # lanes are far fewer than 2**width. The total stops once it has passed its end, and the count saturates by an
        # OR behind the register, which keeps it off the adder's path
        past = total[width]
        m.d.comb += self.count.eq(total[:width] | past.replicate(width))
        with m.If(self.clear):
            m.d.sync += total.eq(events)
        with m.Elif(~past):
            m.d.sync += total.eq(total + events)
        return m


def _popcount(bits: Value) -> Value:
    if len(bits) == 1:
        return bits
    middle = len(bits) // 2
    return _popcount(bits[:middle]) + _popcount(bits[middle:])
