"""From wide words to narrow ones."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic.counter import count
from qse_hw.rtl_gen.logic.streams import transfers


class Unpack(wiring.Component):
    """Cuts words of ``wide`` bits into parts of ``narrow`` bits, the low ones first.

    A vector of ``size`` parts ends with the word that holds its last one; what is left of that word is dropped, and the
    next word begins another vector.

    Latency: 1 cycle. Throughput: a part per cycle.

    Parameters:
        wide, narrow: bits; ``wide`` is a multiple of ``narrow``.
        size: parts of a vector; None: vectors are whole words.

    Members:
        i, o: streams of words and parts.
    """

    latency = 1

    def __init__(self, *, wide: int, narrow: int, size: int | None = None) -> None:
        assert wide % narrow == 0
        self._parts = wide // narrow
        self._size = self._parts if size is None else size
        super().__init__({"i": In(stream.Signature(unsigned(wide))), "o": Out(stream.Signature(unsigned(narrow)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        narrow = len(self.o.payload)
        word = Signal.like(self.i.payload, name="word", reset_less=True)
        ends = Signal()
        with m.If(transfers(self.o)):
            _, last = count(m, self._size, "part")
            _, full = count(m, self._parts, "place", restart=last)
        m.d.comb += [
            ends.eq(last | full),
            self.o.payload.eq(word[:narrow]),
            self.i.ready.eq(~self.o.valid | (self.o.ready & ends)),
        ]
        with m.If(self.i.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid), word.eq(self.i.payload)]
        with m.Elif(self.o.ready):
            m.d.sync += word.eq(word >> narrow)
        return m
