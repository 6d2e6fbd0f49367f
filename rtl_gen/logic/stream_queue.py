"""A queue between two streams."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic.queue import Queue


class StreamQueue(wiring.Component):
    """First in, first out, between two streams; no path leads from one to the other. ``i.ready`` is a register.

    Latency: :attr:`latency` cycles. Throughput: a beat in and a beat out per cycle; with a depth of at least
    :attr:`least_depth` both in every cycle, also right after it was full.

    Parameters:
        width: bits of a beat.
        depth: beats that it takes before any leaves, at least 2.

    Members:
        i, o: the streams.
    """

    latency = Queue.latency
    least_depth = 5
    """When a full queue gives beats from cycle t on, it takes the next in cycle t + 3, which can leave in t + 5."""

    def __init__(self, *, width: int, depth: int) -> None:
        self._depth = depth
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(width))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = Queue(width=len(Value.cast(self.i.payload)), depth=self._depth)
        held = Signal(range(self._depth + 1))
        room = Signal(init=1)  # for two beats, a cycle ago
        m.d.sync += [held.eq(held + queue.write - (queue.valid & queue.ready)), room.eq(held <= self._depth - 2)]
        m.d.comb += [
            self.i.ready.eq(room),
            queue.write.eq(self.i.valid & room),
            queue.data.eq(self.i.payload),
            queue.ready.eq(self.o.ready),
            self.o.valid.eq(queue.valid),
            self.o.payload.eq(queue.payload),
        ]
        return m
