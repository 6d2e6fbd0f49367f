# amaranth: UnusedElaboratable=no
"""The input stream of an accelerator: tokens' ids."""

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.accelerator.embedding import token_layout
from qse_hw.rtl_gen.accelerator.registers import SEQUENCE_BITS
from qse_hw.rtl_gen.logic.register_slice import RegisterSlice
from qse_hw.rtl_gen.logic.sequences import sequence_field
from qse_hw.rtl_gen.logic.streams import transfers

ID_BITS = 32


class Tokens(wiring.Component):
    """Drops ids that the vocabulary does not have, and marks the first token of each sequence.

    With several sequences, each has a first token of its own, and tokens of a sequence that there is not are dropped.

    Latency: 1 cycle. Throughput: a token per cycle. No combinational path leads from ``i`` to ``o``.

    Parameters:
        vocabulary: number of ids.
        sequences: number of sequences.

    Members:
        i: stream of ids; ``last``: the next token begins a sequence, even if this one is dropped; with several
            sequences, ``sequence``: the token's, whose next token is meant.
        new_sequence: the next token that is taken begins a sequence; with several, the next one of
            ``begun_sequence``.
        o: stream of tokens (:func:`qse_hw.rtl_gen.accelerator.embedding.token_layout`).
        dropped: high for one cycle: a token was dropped because of its id.
        misplaced: with several sequences, high for one cycle: a token was dropped, or ``new_sequence`` ignored, because
            there is no such sequence.
    """

    def __init__(self, *, vocabulary: int, sequences: int = 1) -> None:
        self._vocabulary, self._sequences = vocabulary, sequences
        self._token = data.StructLayout({"id": unsigned(ID_BITS), "last": 1, **sequence_field(sequences)})
        several: dict[str, Any] = {"begun_sequence": In(SEQUENCE_BITS), "misplaced": Out(1)}
        super().__init__(
            {
                "i": In(stream.Signature(self._token)),
                "new_sequence": In(1),
                "o": Out(stream.Signature(token_layout(vocabulary, sequences))),
                "dropped": Out(1),
                **(several if sequences > 1 else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.slice = taken = RegisterSlice(self._token)
        token = taken.o.payload
        known = Signal()
        first: Value
        passes: Value = known
        if self._sequences == 1:
            first = Signal(init=1, name="first")
        else:
            exists = Signal()
            first, passes = self._first_of(m, taken, known, exists), known & exists
        m.d.comb += [
            taken.i.valid.eq(self.i.valid),
            taken.i.payload.eq(self.i.payload),
            self.i.ready.eq(taken.i.ready),
            known.eq(token.id < self._vocabulary),
            self.o.valid.eq(taken.o.valid & passes),
            self.o.payload.id.eq(token.id),
            self.o.payload.first.eq(first),
            taken.o.ready.eq(self.o.ready | ~passes),
            self.dropped.eq(taken.o.valid & ~known),
        ]
        if self._sequences == 1:
            with m.If(transfers(taken.o)):
                m.d.sync += first.eq(token.last | (first & ~known))
            with m.If(self.new_sequence):
                m.d.sync += first.eq(1)
        return m

    def _first_of(self, m: Module, taken: RegisterSlice, known: Signal, exists: Signal) -> Value:
        """Whether the token is its sequence's first."""
        token, count = taken.o.payload, self._sequences
        firsts = Signal(count, init=(1 << count) - 1)
        kept = Signal(count)
        own = Signal(count)
        begun = Signal(count)
        first: Value = firsts.bit_select(token.sequence, 1)
        m.d.comb += [
            exists.eq(token.sequence < count),
            self.o.payload.sequence.eq(token.sequence),
            own.eq(Const(1, count) << token.sequence),
            kept.eq(firsts),
            self.misplaced.eq((taken.o.valid & ~exists) | (self.new_sequence & (self.begun_sequence >= count))),
        ]
        with m.If(transfers(taken.o)):
            m.d.comb += kept.eq(Mux(token.last | (first & ~known), firsts | own, firsts & ~own))
        with m.If(self.new_sequence):
            m.d.comb += begun.eq(Const(1, count) << self.begun_sequence)
        m.d.sync += firsts.eq(kept | begun)
        return first
