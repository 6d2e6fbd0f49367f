"""A queue whose writer knows that there is room."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal
from amaranth.lib.memory import Memory


class Queue(Elaboratable):
    """First in, first out, ``depth`` items of ``width`` bits, one of them in a register in front of the memory.

    There is no way to refuse an item: who writes must know that fewer than ``depth`` are inside.

    Members: ``write``, ``data`` in; the stream ``valid``, ``payload`` out and ``ready`` in, out of registers: an item
    can leave :attr:`latency` cycles after it was written. One item each way per cycle.
    """

    latency = 2

    def __init__(self, *, width: int, depth: int) -> None:
        self._depth = depth
        self.write = Signal()
        self.data = Signal(width)
        self.valid = Signal()
        self.payload = Signal(width, reset_less=True)
        self.ready = Signal()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(
            shape=len(self.data), depth=self._depth, init=[], attrs={"ram_style": "distributed"}
        )
        write = memory.write_port()
        read = memory.read_port(domain="comb")
        # how many are in the memory, in unary: a number would have to be compared
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
