"""Arg max: a stream of logits in, of each token the largest and its index out."""

from amaranth.hdl import Cat, Const, EnableInserter, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic.counter import count
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.logic.stall import stall_control
from qse_hw.rtl_gen.units.argmax import ArgmaxConfig


class Argmax(wiring.Component):
    """The largest of ``size`` integers, ``lanes`` of them per beat, and its index, the lowest among equals.

    Arithmetic: :func:`qse_hw.golden.reference.argmax.argmax_scalar`, exactly. A tree of comparisons finds the largest
    of a beat; it replaces the largest so far if it is larger.

    Latency: :attr:`latency` cycles from a token's last beat to its result. Throughput: one beat per cycle (initiation
    interval 1); tokens follow each other without pause; a result that waits stalls the unit.

    Parameters:
        config: what to build.

    Attributes:
        beats: of a token.

    Members:
        i: stream of ``lanes`` signed integers, lane 0 in the low bits, ``size / lanes`` beats per token.
        o: stream of results, one per token: ``index``, above it ``value``, signed.
    """

    def __init__(self, config: ArgmaxConfig) -> None:
        self.config = config
        self.beats = config.size // config.lanes
        self._levels = (config.lanes - 1).bit_length()
        result = {"index": config.index_bits, "value": signed(config.width)}
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(signed(config.width), config.lanes))),
                "o": Out(stream.Signature(data.StructLayout(result))),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a token's last beat to its result."""
        return 1 + self._levels + (self._levels > 0) + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        core = Module()
        with core.If(self.i.valid):
            _, last = count(core, self.beats, "position")
        # only a token's last beat reaches the output
        advance, o_valid = stall_control(
            m, i_valid=self.i.valid & last, o_ready=self.o.ready, latency=self.latency
        )
        m.submodules.core = EnableInserter(advance)(core)
        self._largest(core, last)
        m.d.comb += [self.i.ready.eq(advance), self.o.valid.eq(o_valid)]
        return m

    def _largest(self, m: Module, last: Signal) -> None:
        """From the input stream to the payload of the output. All of it moves while the unit advances."""
        config, stages, bits = self.config, Stages(m, ()), self.config.index_bits
        base = Signal(bits)  # index of the beat's lane 0
        with m.If(self.i.valid):
            m.d.sync += base.eq(Mux(last, 0, base + config.lanes))
        arrived = stages.register(self.i.payload.as_value(), "arrived")
        terms: list[tuple[Value, Value]] = [
            (arrived.word_select(lane, config.width).as_signed(), Const(lane, self._levels))
            for lane in range(config.lanes)
        ]
        for level in range(self._levels):
            pairs = [terms[n : n + 2] for n in range(0, len(terms), 2)]
            terms = [_larger(stages, pair, f"{level}_{n}") for n, pair in enumerate(pairs)]
        value, lane = terms[0]
        index = stages.delay(base, 1 + self._levels, "base")
        if self._levels:
            value, index = stages.register(value, "value"), stages.register((index + lane)[:bits], "index")

        entered = Signal(self.latency - 1)
        new = Signal(init=1)  # the token has no largest value yet
        m.d.sync += entered.eq(Cat(self.i.valid, entered))
        ends = stages.delay(last, len(entered), "ends")
        largest = Signal.like(self.o.payload.as_value(), name="largest", reset_less=True)
        with m.If(entered[-1]):
            m.d.sync += new.eq(ends)
            with m.If(new | (value > largest[bits:].as_signed())):
                m.d.sync += largest.eq(Cat(index, value))
        m.d.comb += self.o.payload.as_value().eq(largest)


def _larger(stages: Stages, terms: list[tuple[Value, Value]], name: str) -> tuple[Value, Value]:
    """The larger of one or two values, the first of equals; its lane; both registered."""
    value, lane = terms[0]
    if len(terms) == 2:
        other, other_lane = terms[1]
        later = stages.name(other > value, f"later{name}")
        value, lane = Mux(later, other, value), Mux(later, other_lane, lane)
    return stages.register(value.as_signed(), f"value{name}"), stages.register(lane, f"lane{name}")
