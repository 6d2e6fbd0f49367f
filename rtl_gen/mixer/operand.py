# amaranth: UnusedElaboratable=no
"""From an operand's codes to the product engine's beats of values."""

from amaranth.hdl import Module, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.rtl_gen.decoder import Decoder
from qse_hw.rtl_gen.mixer.pack import Pack
from qse_hw.rtl_gen.units.decoder import DecoderConfig


class Operand(wiring.Component):
    """Decodes vectors of ``size`` codes and collects their values, in fine steps, into the engine's beats.

    Latency: :attr:`latency` cycles from the code that completes a beat. Throughput: a beat of codes per cycle.

    Parameters:
        format: of the codes.
        size: values of a vector, a multiple of ``lanes``.
        lanes: codes per beat.
        columns: values of an engine's beat, a multiple of ``lanes``.
        width: bits of an engine's value, as many as the format's values have or more.
        target: see :class:`qse_hw.rtl_gen.decoder.Decoder`.

    Members:
        i: stream of ``lanes`` codes.
        o: stream of ``columns`` values; ``last``: the beat ends a vector, and values beyond its end do not matter.
    """

    latency = Decoder.latency + Pack.latency

    def __init__(
        self, format: SegmentedFormat, *, size: int, lanes: int, columns: int, width: int, target: str
    ) -> None:
        self._decoder = Decoder(DecoderConfig(format=format, lanes=lanes, target=target))
        self._pack = Pack(signed(width), size=size, narrow=lanes, wide=columns)
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(unsigned(format.bits), lanes))),
                "o": Out(self._pack.o.signature),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.decoder = decoder = self._decoder
        m.submodules.pack = pack = self._pack
        wiring.connect(m, wiring.flipped(self.i), decoder.i)
        wiring.connect(m, pack.o, wiring.flipped(self.o))
        m.d.comb += [pack.i.valid.eq(decoder.o.valid), decoder.o.ready.eq(pack.i.ready)]
        m.d.comb += [
            pack.i.payload[lane].eq(decoder.o.payload[lane]) for lane in range(len(decoder.o.payload))
        ]
        return m
