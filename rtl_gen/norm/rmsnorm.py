# amaranth: UnusedElaboratable=no
"""The RMSNorm unit: a stream of residual integers in, codes of the normalized values out."""

from typing import NamedTuple

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.norm import M_BITS
from qse_hw.rtl_gen.encoder import Encoder
from qse_hw.rtl_gen.lane.lane import K_SHAPE
from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.counter import count
from qse_hw.rtl_gen.logic.queue import Queue
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.norm.square import Square, square_latency
from qse_hw.rtl_gen.norm.token_scale import TokenScale
from qse_hw.rtl_gen.units.rmsnorm import RmsnormConfig

WAITING = 8
"""Places of the queue between memory and encoder: as many as keep it busy."""


class _Accepted(NamedTuple):
    """A beat was accepted; it is a token's last."""

    beat: Value
    last: Value


class Rmsnorm(wiring.Component):
    """Divides tokens of ``size`` integers, ``lanes`` of them per beat, by the root of the sum of their squares.

    Arithmetic: :func:`qse_hw.golden.reference.norm.normalize_scalar`, exactly. The sum, with eps, has
    ``config.root.input_bits`` bits, which hold the largest one: ``size * 2**(2 * width - 2) + eps``.

    Beats are stored in a circular memory while their squares are summed. When the token's scale is known, the beats are
    read and encoded. The memory holds a token and as many beats as come until it is read, so tokens follow each other
    without pause. A beat is read only if the queue before the encoder has room; so a stalled output stops the unit,
    beat by beat.

    Latency: :attr:`latency` cycles from a token's last beat to its first codes, if no other token is in the unit.
    Throughput: one beat per cycle (initiation interval 1).

    Parameters:
        config: what to build.

    Attributes:
        beats: of a token.
        depth: beats that the memory holds.

    Members:
        i: stream of ``lanes`` signed integers, lane 0 in the low bits, ``size / lanes`` beats per token.
        o: stream of ``lanes`` codes.
        scale_m: M of the scale, highest bit set; ``scale_k``: its k, from -84 to 84; sampled with a token's last beat.
        clear: clears ``saturated`` (an event in the same cycle is kept).
        saturated: sticky: a beat that left contained a saturated code.
    """

    def __init__(self, config: RmsnormConfig) -> None:
        self.config = config
        self.beats = config.size // config.lanes
        self._encoder = Encoder(config.encoder)
        self._token_scale = TokenScale(config.root, target=config.target)
        self.depth = self.beats + self.scale_delay + 4
        self._tokens = (self.depth + WAITING) // self.beats + 2  # in the unit, at most
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(signed(config.width), config.lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(unsigned(config.format.bits), config.lanes))),
                "scale_m": In(M_BITS),
                "scale_k": In(K_SHAPE),
                "clear": In(1),
                "saturated": Out(1),
            }
        )

    @property
    def _sum_delay(self) -> int:
        """Cycles from an accepted beat until the sum has its squares: a register, squares, lanes' sum, total."""
        config = self.config
        return 1 + square_latency(config.width, config.target) + (config.lanes - 1).bit_length() + 1

    @property
    def scale_delay(self) -> int:
        """Cycles from a token's last beat until its scale is known."""
        return self._sum_delay + self._token_scale.latency

    @property
    def encoder_latency(self) -> int:
        """Of the encoder."""
        return self._encoder.latency

    @property
    def latency(self) -> int:
        """Cycles from a token's last beat to its first codes."""
        return self.scale_delay + 1 + BlockRam.latency + Queue.latency + self.encoder_latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        issue = Signal()
        m.submodules.memory = memory = BlockRam(
            width=self.config.lanes * self.config.width, depth=self.depth, target=self.config.target
        )
        accepted = self._accept(m, memory, issue)
        made, scales = self._scale(m, accepted)
        self._encode(m, memory, issue, made, scales)
        return m

    def _accept(self, m: Module, memory: BlockRam, issue: Signal) -> _Accepted:
        """Store beats while there is room."""
        held = Signal(range(self.depth + 1))
        room = Signal(init=1)  # for two beats, a cycle ago
        beat = Signal()
        last = Signal()
        with m.If(beat):
            place, _ = count(m, self.depth, "write_place")
            _, ends = count(m, self.beats, "accepted")
        m.d.sync += [held.eq(held + beat - issue), room.eq(held <= self.depth - 2)]
        m.d.comb += [
            self.i.ready.eq(room),
            beat.eq(self.i.valid & room),
            last.eq(beat & ends),
            memory.write.eq(beat),
            memory.write_place.eq(place),
            memory.data.eq(self.i.payload.as_value()),
        ]
        return _Accepted(beat, last)

    def _scale(self, m: Module, accepted: _Accepted) -> tuple[Value, Queue]:
        """Sum squares, and make a scale of each token. Returns when one is made, and the scales in order."""
        config, stages = self.config, Stages(m, ())
        arrived = stages.register(self.i.payload.as_value(), "arrived")
        terms: list[Value] = []
        for lane in range(config.lanes):
            m.submodules[f"square{lane}"] = square = Square(width=config.width, target=config.target)
            m.d.comb += square.x.eq(arrived.word_select(lane, config.width).as_signed())
            terms.append(square.p)
        level = 0
        while len(terms) > 1:
            level += 1
            pairs = [terms[n : n + 2] for n in range(0, len(terms), 2)]
            terms = [stages.register(sum(pair[1:], pair[0]), f"sum{level}_{n}") for n, pair in enumerate(pairs)]

        delay, token_scale = self._sum_delay, self._token_scale
        beats = Signal(delay)  # bit n: n + 1 cycles ago
        lasts = Signal(self.scale_delay)
        m.d.sync += [beats.eq(Cat(accepted.beat, beats)), lasts.eq(Cat(accepted.last, lasts))]
        running = Signal(config.root.input_bits, init=config.eps)
        total = Signal(config.root.input_bits, reset_less=True)
        added = Signal(config.root.input_bits)
        m.d.comb += added.eq(running + terms[0])
        m.d.sync += total.eq(added)
        with m.If(beats[delay - 2]):
            m.d.sync += running.eq(Mux(lasts[delay - 2], config.eps, added))

        m.submodules.given = given = Queue(width=M_BITS + K_SHAPE.width, depth=self._tokens)
        m.submodules.scales = scales = Queue(width=M_BITS + K_SHAPE.width, depth=self._tokens)
        m.submodules.token_scale = token_scale
        made = lasts[-1]
        m.d.comb += [
            given.write.eq(accepted.last),
            given.data.eq(Cat(self.scale_m, self.scale_k)),
            given.ready.eq(lasts[delay + token_scale.root_latency - 1]),
            token_scale.v.eq(total),
            Cat(token_scale.scale_m, token_scale.scale_k).eq(given.payload),
            scales.write.eq(made),
            scales.data.eq(Cat(token_scale.m, token_scale.k)),
        ]
        return made, scales

    def _encode(self, m: Module, memory: BlockRam, issue: Signal, made: Value, scales: Queue) -> None:
        """Read the beats of tokens whose scale is known, and encode them. A scale is always there before its beats: it
        reaches the output of its queue in :attr:`Queue.latency` cycles, they take three more."""
        tokens = Signal(range(self._tokens + 1))  # with beats to read
        reserved = Signal(range(WAITING + 1))
        room = Signal()  # for two beats, a cycle ago
        m.submodules.waiting = waiting = Queue(width=len(memory.word), depth=WAITING)
        m.submodules.encoder = encoder = self._encoder
        taken = waiting.valid & encoder.i.ready
        with m.If(issue):
            place, _ = count(m, self.depth, "read_place")
            _, ends = count(m, self.beats, "issued")
        with m.If(taken):
            _, encoded = count(m, self.beats, "encoded")
        written = Signal(BlockRam.latency)
        m.d.sync += [
            tokens.eq(tokens + made - (issue & ends)),
            reserved.eq(reserved + issue - taken),
            room.eq(reserved <= WAITING - 2),
            written.eq(Cat(issue, written)),
        ]
        m.d.comb += [
            issue.eq(room & tokens.any()),
            memory.place.eq(place),
            waiting.write.eq(written[-1]),
            waiting.data.eq(memory.word),
            waiting.ready.eq(encoder.i.ready),
            encoder.i.valid.eq(waiting.valid),
            Value.cast(encoder.i.payload).eq(waiting.payload),
            Cat(encoder.scale_m, encoder.scale_k).eq(scales.payload),
            scales.ready.eq(taken & encoded),
            encoder.clear.eq(self.clear),
            encoder.o.ready.eq(self.o.ready),
            self.o.valid.eq(encoder.o.valid),
            Value.cast(self.o.payload).eq(Value.cast(encoder.o.payload)),
            self.saturated.eq(encoder.saturated),
        ]
