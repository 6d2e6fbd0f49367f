"""A deep stream FIFO in block RAM."""

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.counter import count
from qse_hw.rtl_gen.logic.queue import Queue

WAITING = BlockRam.latency + Queue.latency + 3
"""Places of the queue behind the memory: as many as a word per cycle needs."""


class Fifo(wiring.Component):
    """First in, first out: at least ``depth`` words of ``width`` bits.

    Words wait in a memory. They are read into a small queue as long as it has room, so that the memory's latency does
    not limit the rate.

    Latency: :attr:`latency` cycles from an accepted word until it can leave. Throughput: a word in and a word out per
    cycle.

    Parameters:
        width: bits of a word.
        depth: words that the memory holds.
        target: see :class:`qse_hw.rtl_gen.logic.block_ram.BlockRam`.

    Members:
        i, o: streams of words.
    """

    latency = 1 + BlockRam.latency + Queue.latency

    def __init__(self, *, width: int, depth: int, target: str) -> None:
        self._depth, self._target = depth, target
        super().__init__({"i": In(stream.Signature(unsigned(width))), "o": Out(stream.Signature(unsigned(width)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = len(self.i.payload)
        m.submodules.memory = memory = BlockRam(width=width, depth=self._depth, target=self._target)
        m.submodules.waiting = waiting = Queue(width=width, depth=WAITING)
        # words that went into the memory, and out of it: one counter of what is in it would wait for both handshakes
        written = Signal(range(self._depth + 1))
        issued = Signal.like(written)
        held = Signal.like(written)
        free = Signal(init=1)  # for two words, a cycle ago
        reserved = Signal(range(WAITING + 1))
        room = Signal(init=1)
        accepted = Signal()
        issue = Signal()
        left = Signal()
        arrived = Signal(BlockRam.latency)
        with m.If(accepted):
            write_place, _ = count(m, self._depth, "write_place")
        with m.If(issue):
            place, _ = count(m, self._depth, "place")
        m.d.sync += [
            written.eq(written + accepted),
            issued.eq(issued + issue),
            free.eq(held < self._depth - 1),
            reserved.eq(reserved + issue - left),
            room.eq(reserved < WAITING - 1),
            arrived.eq(Cat(issue, arrived)),
        ]
        m.d.comb += [
            self.i.ready.eq(free),
            accepted.eq(self.i.valid & free),
            held.eq(written - issued),
            issue.eq(room & (written != issued)),
            left.eq(waiting.valid & self.o.ready),
            memory.write.eq(accepted),
            memory.write_place.eq(write_place),
            memory.data.eq(self.i.payload),
            memory.place.eq(place),
            waiting.write.eq(arrived[-1]),
            waiting.data.eq(memory.word),
            waiting.ready.eq(self.o.ready),
            self.o.valid.eq(waiting.valid),
            self.o.payload.eq(waiting.payload),
        ]
        return m
