"""The input stream of an accelerator: tokens' ids."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.accelerator.embedding import token_layout
from qse_hw.rtl_gen.logic.register_slice import RegisterSlice
from qse_hw.rtl_gen.logic.streams import transfers

ID_BITS = 32
TOKEN = data.StructLayout({"id": unsigned(ID_BITS), "last": 1})


class Tokens(wiring.Component):
    """Drops ids that the vocabulary does not have, and marks the first token of each sequence.

    Latency: 1 cycle. Throughput: a token per cycle. No combinational path leads from ``i`` to ``o``.

    Parameters:
        vocabulary: number of ids.

    Members:
        i: stream of ids; ``last``: the next token begins a sequence, even if this one is dropped.
        new_sequence: the next token that is taken begins a sequence.
        o: stream of tokens (:func:`qse_hw.rtl_gen.accelerator.embedding.token_layout`).
        dropped: high for one cycle: a token was dropped.
    """

    def __init__(self, *, vocabulary: int) -> None:
        self._vocabulary = vocabulary
        super().__init__(
            {
                "i": In(stream.Signature(TOKEN)),
                "new_sequence": In(1),
                "o": Out(stream.Signature(token_layout(vocabulary))),
                "dropped": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.slice = taken = RegisterSlice(TOKEN)
        token = taken.o.payload
        known = Signal()
        first = Signal(init=1)
        m.d.comb += [
            taken.i.valid.eq(self.i.valid),
            taken.i.payload.eq(self.i.payload),
            self.i.ready.eq(taken.i.ready),
            known.eq(token.id < self._vocabulary),
            self.o.valid.eq(taken.o.valid & known),
            self.o.payload.id.eq(token.id),
            self.o.payload.first.eq(first),
            taken.o.ready.eq(self.o.ready | ~known),
            self.dropped.eq(taken.o.valid & ~known),
        ]
        with m.If(transfers(taken.o)):
            m.d.sync += first.eq(token.last | (first & ~known))
        with m.If(self.new_sequence):
            m.d.sync += first.eq(1)
        return m
