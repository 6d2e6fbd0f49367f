"""Reads ranges of memory ahead, as far as its buffer has room."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic.fifo import Fifo
from qse_hw.rtl_gen.logic.streams import transfers
from qse_hw.rtl_gen.memory.axi_read import MAX_BEATS, PAGE, burst_layout, word_bits

COUNT_BITS = 32
"""Of a range's bus words."""
SPARE = 2
"""Places of the FIFO beyond the room: it is ready two words early, which nobody asks."""
OVERHEAD = 12
"""Cycles from when a word leaves to the burst that takes its room, and from that burst's first word until it can leave,
beside those that the memory takes."""


def range_layout(address_bits: int, bus_bits: int) -> data.StructLayout:
    """A range: the number of its first bus word, and how many there are, at least 1."""
    return data.StructLayout({"word": unsigned(word_bits(address_bits, bus_bits)), "count": unsigned(COUNT_BITS)})


def most_beats(bus_bits: int) -> int:
    """The longest burst that never crosses a multiple of :data:`PAGE` if it begins at a multiple of its own length."""
    return min(MAX_BEATS, PAGE * 8 // bus_bits)


class Reader(wiring.Component):
    """Cuts ranges into bursts, and gives the words in order.

    A burst ends at the next multiple of ``burst_beats`` words, or with its range: so it crosses no multiple of 4 KiB,
    and all but a range's first and last one are aligned to their length. It is asked for only if the buffer has room
    for ``burst_beats`` words beside all that is on the way.

    Latency: from a range to its first burst 2 cycles; from a word's arrival to the output that of
    :class:`qse_hw.rtl_gen.logic.fifo.Fifo`. Throughput: a word per cycle, if ``bursts - 1`` bursts last as long as
    the memory takes to answer, and :data:`OVERHEAD` cycles more.

    Parameters:
        address_bits, bus_bits: of the bus.
        burst_beats: of the longest burst, a power of two up to :func:`most_beats`.
        bursts: for how many the buffer has room, at least 1.
        target: see :class:`qse_hw.rtl_gen.logic.block_ram.BlockRam`.

    Attributes:
        fifo: in which words wait.

    Members:
        i: stream of ranges (:func:`range_layout`).
        bursts: stream of bursts (:func:`qse_hw.rtl_gen.memory.axi_read.burst_layout`).
        arrived, data: a word has come.
        o: stream of words.
        stop: no further burst begins.
    """

    def __init__(self, *, address_bits: int, bus_bits: int, burst_beats: int, bursts: int, target: str) -> None:
        assert burst_beats & (burst_beats - 1) == 0
        assert burst_beats <= most_beats(bus_bits)
        self._burst, self._depth = burst_beats, burst_beats * bursts
        self.fifo = Fifo(width=bus_bits, depth=self._depth + SPARE, target=target)
        super().__init__(
            {
                "i": In(stream.Signature(range_layout(address_bits, bus_bits))),
                "bursts": Out(stream.Signature(burst_layout(address_bits, bus_bits))),
                "arrived": In(1),
                "data": In(bus_bits),
                "o": Out(stream.Signature(unsigned(bus_bits))),
                "stop": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        burst = self._burst
        word = Signal.like(self.i.payload.word, name="word", reset_less=True)
        left = Signal(COUNT_BITS, reset_less=True)
        active = Signal()
        planned = Signal()  # beats are those of the next burst
        beats = Signal(range(burst + 1), reset_less=True)
        to_end = Signal(range(burst + 1))  # of the aligned block
        room = Signal(init=1)
        asked = Signal()
        m.d.comb += [
            to_end.eq(burst - word[: burst.bit_length() - 1] if burst > 1 else 1),
            self.i.ready.eq(~active),
            self.bursts.valid.eq(active & planned & room & ~self.stop),
            self.bursts.payload.word.eq(word),
            self.bursts.payload.length.eq(beats - 1),
            asked.eq(transfers(self.bursts)),
        ]
        with m.If(transfers(self.i)):
            m.d.sync += [active.eq(1), word.eq(self.i.payload.word), left.eq(self.i.payload.count)]
        with m.Elif(asked):
            m.d.sync += [active.eq(left != beats), word.eq(word + beats), left.eq(left - beats)]
        m.d.sync += [planned.eq(active & ~asked), beats.eq(Mux(left < to_end, left, to_end))]
        self._buffer(m, Mux(asked, beats, 0), room)
        return m

    def _buffer(self, m: Module, reserved: Mux, room: Signal) -> None:
        """Words wait in a FIFO that always has room: its i.ready, two words early, is not needed."""
        m.submodules.fifo = fifo = self.fifo
        held = Signal(range(self._depth + 1))  # on the way, or in the FIFO
        m.d.sync += [
            held.eq(held + reserved - transfers(self.o)),
            room.eq(held + reserved <= self._depth - self._burst),
        ]
        m.d.comb += [
            fifo.i.valid.eq(self.arrived),
            fifo.i.payload.eq(self.data),
            self.o.valid.eq(fifo.o.valid),
            self.o.payload.eq(fifo.o.payload),
            fifo.o.ready.eq(self.o.ready),
        ]
