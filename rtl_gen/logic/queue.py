"""A queue without back pressure: its writer must know that there is room."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic.reset import omit_reset


class Queue(wiring.Component):
    """First in, first out: ``depth`` items of ``width`` bits in a memory, with an output register.

    The queue cannot refuse an item: the writer must know that it holds fewer than ``depth``.

    Latency: :attr:`latency` cycles from writing an item until it can leave. Throughput: an item in and an item out per
    cycle.

    Parameters:
        width: bits of an item.
        depth: items that it holds.

    Members:
        write, data: put ``data`` into the queue.
        valid, payload, ready: the output stream; ``valid`` and ``payload`` are registers.
    """

    latency = 2

    def __init__(self, *, width: int, depth: int) -> None:
        self._depth = depth
        super().__init__(
            {"write": In(1), "data": In(width), "valid": Out(1), "payload": Out(width), "ready": In(1)}
        )
        omit_reset(self, "payload")

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(
            shape=len(self.data), depth=self._depth, init=[], attrs={"ram_style": "distributed"}
        )
        write = memory.write_port()
        read = memory.read_port(domain="comb")
        # the number of items in the memory, in unary, which needs no comparison
        level = Signal(self._depth)
        take = Signal()
        m.d.comb += [
            take.eq(level[0] & (self.ready | ~self.valid)),
            write.en.eq(self.write),
            write.data.eq(self.data),
        ]
        m.d.sync += self.valid.eq(level[0] | (self.valid & ~self.ready))
        with m.If(take):
            m.d.sync += [self.payload.eq(read.data), read.addr.eq(Mux(read.addr == self._depth - 1, 0, read.addr + 1))]
        with m.If(self.write):
            m.d.sync += write.addr.eq(Mux(write.addr == self._depth - 1, 0, write.addr + 1))
        with m.If(self.write ^ take):
            m.d.sync += level.eq(Mux(self.write, Cat(1, level), level >> 1))
        return m
