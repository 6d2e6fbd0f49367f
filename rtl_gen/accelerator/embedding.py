# amaranth: UnusedElaboratable=no
"""From tokens' ids to their residual values: a row of the embedding times its multiplier, out of memory."""

from amaranth.hdl import Cat, EnableInserter, Module, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.models.integer.image.layout import SCALE
from qse_hw.golden.reference.matvec import K_BITS, M_BITS
from qse_hw.golden.reference.product_schedule import WIDE_BITS
from qse_hw.rtl_gen.accelerator.image_words import ImageMap
from qse_hw.rtl_gen.linear.requantize import Requantizer, requantizer_latency
from qse_hw.rtl_gen.logic.counter import count
from qse_hw.rtl_gen.logic.sequences import sequence_field
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.logic.stall import stall_control
from qse_hw.rtl_gen.logic.streams import forward, transfers
from qse_hw.rtl_gen.memory.reader import range_layout
from qse_hw.rtl_gen.memory.unpack import Unpack
from qse_hw.rtl_gen.mixer.mixer import value_layout

WEIGHT_BITS = 8


def token_layout(vocabulary: int, sequences: int = 1) -> data.StructLayout:
    """A token: its id, whether it is its sequence's first, and the number of that if there are several."""
    id_bits = max(1, (vocabulary - 1).bit_length())
    return data.StructLayout({"id": unsigned(id_bits), "first": unsigned(1), **sequence_field(sequences)})


class Embedding(wiring.Component):
    """Reads the row of a token and its multiplier, and multiplies.

    Arithmetic: :func:`qse_hw.rtl_gen.mixer.model.embed`, exactly.

    Latency: that of two ranges of the memory, the second right behind the first, and :attr:`latency` cycles.
    Throughput: a value per cycle; the next token is looked up behind the last value.

    Parameters:
        image: where what is.
        address_bits, bus_bits: of the bus.
        target: see :class:`qse_hw.rtl_gen.lane.multiplier.Multiplier`.

    Members:
        tokens: stream of :func:`token_layout`; ids must be below the vocabulary.
        base: number of the bus word at which the image begins.
        ranges: stream of ranges (:func:`qse_hw.rtl_gen.memory.reader.range_layout`).
        words: stream of the bus words of these ranges.
        o: stream of residual values (:func:`qse_hw.rtl_gen.mixer.mixer.value_layout`).
    """

    def __init__(self, image: ImageMap, *, address_bits: int, bus_bits: int, target: str) -> None:
        self._image, self._bus_bits, self._target = image, bus_bits, target
        self._range = range_layout(address_bits, bus_bits)
        self._sequences = image.config.sequences
        super().__init__(
            {
                "tokens": In(stream.Signature(token_layout(image.config.vocabulary, self._sequences))),
                "base": In(self._range["word"].shape),
                "ranges": Out(stream.Signature(self._range)),
                "words": In(stream.Signature(unsigned(bus_bits))),
                "o": Out(stream.Signature(value_layout(self._sequences))),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a row's first bus word to its first value, if the row begins with the word."""
        return Unpack.latency + requantizer_latency(self._target)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        image, size = self._image, self._image.config.d_model
        word_bytes = self._bus_bits // 8
        shift = (word_bytes - 1).bit_length()
        m.submodules.bytes = bytes = Unpack(wide=self._bus_bits, narrow=WEIGHT_BITS)
        forward(m, self.words, bytes.i)
        token = Signal.like(self.tokens.payload, name="token", reset_less=True)
        scale = Signal(8 * SCALE.itemsize, reset_less=True)
        at_scale = Signal(range(image.size))  # in bytes, from the begin of the image
        at_row = Signal(range(image.size), reset_less=True)
        advance = Signal()
        arrives = Signal()
        passes = transfers(bytes.o)
        with m.If(passes):
            lane, ends_word = count(m, word_bytes, "lane")
        offset = Signal(shift)
        m.d.comb += at_scale.eq(image.places["embedding_scale"].offset + (token.id << 2))
        with m.FSM():
            with m.State("TOKEN"):
                m.d.comb += self.tokens.ready.eq(1)
                with m.If(self.tokens.valid):
                    m.d.sync += token.eq(self.tokens.payload)
                    m.next = "SCALE"
            with m.State("SCALE"):
                m.d.sync += at_row.eq(image.places["embedding"].offset + token.id * size)
                self._ask(m, at_scale >> shift, 1)
                with m.If(self.ranges.ready):
                    m.next = "ROW"
            with m.State("ROW"):
                self._ask(m, at_row >> shift, (at_row[:shift] + (size + word_bytes - 1)) >> shift)
                with m.If(self.ranges.ready):
                    m.next = "TAKE_SCALE"
            with m.State("TAKE_SCALE"):
                m.d.comb += [bytes.o.ready.eq(1), offset.eq(lane - at_scale[:shift])]
                with m.If(passes & (offset < SCALE.itemsize)):
                    m.d.sync += scale.eq(Cat(scale[8:], bytes.o.payload))
                with m.If(passes & ends_word):
                    m.next = "SKIP"
            with m.State("SKIP"):
                before = lane != at_row[:shift]
                m.d.comb += bytes.o.ready.eq(before)
                with m.If(~before):
                    m.next = "VALUES"
            with m.State("VALUES"):
                m.d.comb += [bytes.o.ready.eq(advance), arrives.eq(bytes.o.valid)]
                with m.If(passes):
                    _, last = count(m, size, "value")
                with m.If(passes & last):
                    m.next = "TOKEN"
                    with m.If(~ends_word):
                        m.next = "REST"
            with m.State("REST"):
                m.d.comb += bytes.o.ready.eq(1)
                with m.If(passes & ends_word):
                    m.next = "TOKEN"
        sequence = [token.sequence] if self._sequences > 1 else []
        self._multiply(m, advance, arrives, bytes, Cat(scale, token.first, *sequence))
        return m

    def _ask(self, m: Module, word: Signal, words: Signal) -> None:
        m.d.comb += [
            self.ranges.valid.eq(1),
            self.ranges.payload.word.eq(self.base + word),
            self.ranges.payload.count.eq(words),
        ]

    def _multiply(self, m: Module, advance: Signal, arrives: Signal, bytes: Unpack, scale_and_marks: Value) -> None:
        """From a row's bytes to the output; marks: what the output has above the value."""
        latency = requantizer_latency(self._target)
        moves, valid = stall_control(m, i_valid=arrives, o_ready=self.o.ready, latency=latency)
        core = Module()
        m.submodules.core = EnableInserter(moves)(core)
        core.submodules.requantizer = requantizer = Requantizer(
            target=self._target, bits=WIDE_BITS, half="up", constant_k=False
        )
        m.d.comb += [
            advance.eq(moves),
            requantizer.enable.eq(moves),
            requantizer.a.eq(bytes.o.payload.as_signed()),
            requantizer.scale_m.eq(scale_and_marks[:M_BITS]),
            requantizer.scale_k.eq(scale_and_marks[M_BITS : M_BITS + K_BITS]),
            self.o.valid.eq(valid),
            self.o.payload.value.eq(requantizer.value),
            self.o.payload.as_value()[WIDE_BITS:].eq(
                Stages(core, ()).delay(scale_and_marks[8 * SCALE.itemsize :], latency, "first")
            ),
        ]
