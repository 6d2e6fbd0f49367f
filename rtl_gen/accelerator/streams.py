# amaranth: UnusedElaboratable=no
"""From bus words to the words of a stream, narrower or wider ones."""

from amaranth.hdl import Module, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic.streams import forward
from qse_hw.rtl_gen.memory.unpack import Unpack
from qse_hw.rtl_gen.mixer.pack import Pack


class WordStream(wiring.Component):
    """Cuts bus words, or joins them, the low bits first.

    Latency: 1 cycle. Throughput: a bus word, or a word of the stream, per cycle.

    Parameters:
        bus_bits: of a bus word.
        bits: of a word of the stream; one of both is a multiple of the other.
        size: words of the stream of a vector. It begins with a bus word, and what is left of its last bus word is
            dropped.

    Members:
        i, o: streams.
    """

    latency = 1

    def __init__(self, *, bus_bits: int, bits: int, size: int) -> None:
        self._part: Pack | Unpack
        if bits > bus_bits:
            self._part = Pack(unsigned(bus_bits), size=bits // bus_bits, narrow=1, wide=bits // bus_bits)
        else:
            self._part = Unpack(wide=bus_bits, narrow=bits, size=size)
        super().__init__({"i": In(stream.Signature(unsigned(bus_bits))), "o": Out(stream.Signature(unsigned(bits)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.part = part = self._part
        forward(m, self.i, part.i)
        m.d.comb += [
            self.o.valid.eq(part.o.valid),
            part.o.ready.eq(self.o.ready),
            self.o.payload.eq(part.o.payload.values.as_value() if isinstance(part, Pack) else part.o.payload),
        ]
        return m
