"""A counter of what happens to several values at a time."""

from amaranth.hdl import Elaboratable, Module, Mux, Signal, Value


class EventCounter(Elaboratable):
    """``count <= min((0 if clear else count) + events, 2**width - 1)``, events being those of one cycle before.

    So an event counts two cycles after it happened, and one that happens with a clear or in the cycle before is kept.

    Members: ``lanes`` (a bit per value that may be an event), ``clear`` in; ``count`` out.
    """

    def __init__(self, *, lanes: int, width: int = 32) -> None:
        self.lanes = Signal(lanes)
        self.clear = Signal()
        self.count = Signal(width)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = len(self.count)
        events, total = Signal(range(len(self.lanes) + 1)), Signal(width + 1)
        m.d.sync += events.eq(_popcount(self.lanes))
        m.d.comb += total.eq(self.count + events)
        full = total[width].replicate(width)  # lanes are far fewer than 2**width
        m.d.sync += self.count.eq(Mux(self.clear, events, total[:width] | full))
        return m


def _popcount(bits: Value) -> Value:
    if len(bits) == 1:
        return bits
    middle = len(bits) // 2
    return _popcount(bits[:middle]) + _popcount(bits[middle:])
