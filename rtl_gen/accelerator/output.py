"""The output stream of an accelerator: packets that always end."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.accelerator.results import RESULT
from qse_hw.rtl_gen.logic.register_slice import RegisterSlice
from qse_hw.rtl_gen.logic.sequences import sequence_field
from qse_hw.rtl_gen.logic.streams import transfers


class Output(wiring.Component):
    """Passes results on; a packet that is cut off is ended by a beat that is not kept.

    Latency: 1 cycle. Throughput: a beat per cycle. No combinational path leads from ``o`` to ``i``.

    Parameters:
        sequences: number of sequences.

    Members:
        i: stream of results (:data:`qse_hw.rtl_gen.accelerator.results.RESULT`).
        open: results pass; else an unfinished packet is ended.
        sequence: with several sequences, that of the packet; sampled with each of its beats.
        o: stream of results, and whether they are ``kept``; with several sequences also the packet's ``sequence``.
        idle: no packet is unfinished.
    """

    def __init__(self, *, sequences: int = 1) -> None:
        several = sequence_field(sequences)
        self._several, self._beat = bool(several), data.StructLayout({**RESULT.members, "kept": 1, **several})
        super().__init__(
            {
                "i": In(stream.Signature(RESULT)),
                "open": In(1),
                "o": Out(stream.Signature(self._beat)),
                "idle": Out(1),
                **{name: In(shape) for name, shape in several.items()},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.slice = out = RegisterSlice(self._beat)
        unfinished = Signal()
        with m.If(transfers(out.i)):
            m.d.sync += unfinished.eq(~out.i.payload.last)
        m.d.comb += [
            out.i.valid.eq(Mux(self.open, self.i.valid, unfinished)),
            self.i.ready.eq(out.i.ready & self.open),
            self.idle.eq(~unfinished),
            self.o.valid.eq(out.o.valid),
            self.o.payload.eq(out.o.payload),
            out.o.ready.eq(self.o.ready),
        ]
        with m.If(self.open):
            m.d.comb += [
                out.i.payload.value.eq(self.i.payload.value),
                out.i.payload.last.eq(self.i.payload.last),
                out.i.payload.kept.eq(1),
            ]
        with m.Else():
            m.d.comb += out.i.payload.last.eq(1)
        if self._several:
            sequence = Signal.like(self.sequence, name="open_sequence")
            with m.If(transfers(out.i)):
                m.d.sync += sequence.eq(out.i.payload.sequence)
            m.d.comb += out.i.payload.sequence.eq(Mux(self.open, self.sequence, sequence))
        return m
