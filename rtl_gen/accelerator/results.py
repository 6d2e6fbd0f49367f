# amaranth: UnusedElaboratable=no
"""From a token's logits to its packet on the output."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.product_schedule import WIDE_BITS
from qse_hw.rtl_gen.argmax import Argmax
from qse_hw.rtl_gen.logic.counter import count
from qse_hw.rtl_gen.logic.streams import transfers
from qse_hw.rtl_gen.units.argmax import ArgmaxConfig

RESULT_BITS = 32
RESULT = data.StructLayout({"value": signed(RESULT_BITS), "last": 1})


class Results(wiring.Component):
    """Gives all logits of a token, or the number of the largest one, the lowest among equals.

    Latency: of logits none, of the number that of :class:`qse_hw.rtl_gen.argmax.Argmax`. Throughput: a logit per cycle.

    Parameters:
        vocabulary: logits of a token.

    Members:
        i: stream of logits.
        logits: whether they are given; what it is while no token's logits pass holds for the next token.
        o: stream of ``value`` and whether it is the token's ``last``.
    """

    def __init__(self, *, vocabulary: int) -> None:
        self._argmax = Argmax(ArgmaxConfig(size=vocabulary, width=WIDE_BITS))
        super().__init__(
            {
                "i": In(stream.Signature(signed(WIDE_BITS))),
                "logits": In(1),
                "o": Out(stream.Signature(RESULT)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.argmax = argmax = self._argmax
        chosen = Signal()  # of the token whose logits pass
        with m.If(transfers(self.i)):
            position, last = count(m, self._argmax.config.size, "position")
        with m.If((position == 0) & ~self.i.valid):
            m.d.sync += chosen.eq(self.logits)
        number = argmax.o.payload.index
        found = argmax.o.valid
        m.d.comb += [
            argmax.i.valid.eq(self.i.valid & ~chosen),
            argmax.i.payload[0].eq(self.i.payload),
            self.i.ready.eq(Mux(chosen, self.o.ready & ~found, argmax.i.ready)),
            self.o.valid.eq(found | (self.i.valid & chosen)),
            self.o.payload.value.eq(Mux(found, number, self.i.payload)),
            self.o.payload.last.eq(found | last),
            argmax.o.ready.eq(self.o.ready),
        ]
        return m
