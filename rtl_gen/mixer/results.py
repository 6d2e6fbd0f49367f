# amaranth: UnusedElaboratable=no
"""From the product engine's sums to the results' streams."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, EnableInserter, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.reference.matvec import M_BITS, SUM_BITS
from qse_hw.golden.reference.product_schedule import LOCAL_BITS, RESULTS, WIDE, WIDE_BITS, Result
from qse_hw.rtl_gen.encoder import Encoder
from qse_hw.rtl_gen.linear.matvec import sum_layout
from qse_hw.rtl_gen.linear.requantize import Requantizer, requantizer_latency
from qse_hw.rtl_gen.logic.register_slice import RegisterSlice, sliced
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.logic.stall import stall_control
from qse_hw.rtl_gen.units.encoder import EncoderConfig

TAGS = {result: number for number, result in enumerate(RESULTS)}
"""What the engine's jobs are marked with, by their result."""
TAG_BITS = (len(RESULTS) - 1).bit_length()
TAKERS: tuple[tuple[Result, ...], ...] = (("conv_input",), ("gate",), ("B", "C"), ("dt",), ("out",), ("logits",))
"""Results of the requantizer, by the unit that takes them: to each unit they come in the engine's order."""
RESULT = data.StructLayout({"value": signed(WIDE_BITS), "tag": unsigned(TAG_BITS), "saturated": unsigned(1)})
"""A result of the requantizer: its value, whose it is, whether it was saturated."""


def low_encoder(format: SegmentedFormat, target: str) -> EncoderConfig:
    """The encoder of dt_low's sums."""
    return EncoderConfig(
        format=format, input=input_type(f"s{SUM_BITS}"), scale=None, scale_bits=M_BITS, counter_width=0,
        target=target,
    )  # fmt: skip


class Results(wiring.Component):
    """Gives each sum, times its multiplier, to the stream of its result: 24 or 16 bits, saturated; dt_low as codes.

    Arithmetic: :meth:`qse_hw.golden.models.integer.scalar_arithmetic.ScalarArithmetic.product`, exactly. All but dt_low
    share one requantizer, of 24 bits: a value that 24 bits saturate saturates 16 bits, too.

    Register slices behind the engine, and before each unit that takes results, so that whether one of these has room
    decides nothing in the same cycle at the engine, nor at another unit.

    Latency: :attr:`latency` cycles, of dt_low the encoder's and 1. Throughput: one sum per cycle. A result for
    which there is no room stops the others.

    Parameters:
        format: of dt_low.
        target: see :class:`qse_hw.rtl_gen.lane.multiplier.Multiplier`.

    Members:
        i: stream of sums (:func:`qse_hw.rtl_gen.linear.matvec.sum_layout`), whose tags are :data:`TAGS`.
        conv_input, gate, dt_low, B, C, dt, out, logits: streams of the results.
        clear: clears the flags.
        saturated: a sticky flag for each result, in the order of :data:`TAGS`: one that left was saturated.
    """

    def __init__(self, format: SegmentedFormat, *, target: str) -> None:
        self._target, self._low = target, Encoder(low_encoder(format, target))
        self.core_latency = requantizer_latency(target) + 1
        shapes: dict[str, Shape] = {
            result: signed(WIDE_BITS if result in WIDE else LOCAL_BITS) for result in RESULTS
        }
        shapes["dt_low"] = unsigned(format.bits)
        streams = {result: Out(stream.Signature(shape)) for result, shape in shapes.items()}
        super().__init__(
            {"i": In(stream.Signature(sum_layout(TAG_BITS))), "clear": In(1), "saturated": Out(len(RESULTS)), **streams}
        )

    @property
    def latency(self) -> int:
        """Cycles from a sum to its result: of requantizer and clamp, and of a register slice before and behind them."""
        return self.core_latency + 2 * RegisterSlice.latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.low = low = self._low
        arrived = sliced(m, self.i, "arrived")
        row = arrived.payload
        is_low = Signal()
        accepts = Signal()
        m.d.comb += [
            is_low.eq(row.tag == TAGS["dt_low"]),
            low.i.valid.eq(arrived.valid & is_low),
            Value.cast(low.i.payload).eq(row.sum),
            low.scale_m.eq(row.m),
            low.scale_k.eq(row.k),
            low.clear.eq(self.clear),
            self.dt_low.valid.eq(low.o.valid),
            self.dt_low.payload.eq(Value.cast(low.o.payload)),
            low.o.ready.eq(self.dt_low.ready),
            arrived.ready.eq(Mux(is_low, low.i.ready, accepts)),
        ]
        self._requantize(m, row, accepts, arrived.valid & ~is_low)
        m.d.comb += self.saturated[TAGS["dt_low"]].eq(low.saturated)
        return m

    def _requantize(self, m: Module, row: Any, accepts: Signal, arrives: Value) -> None:
        """All results but dt_low."""
        room = Signal()
        advance, valid = stall_control(m, i_valid=arrives, o_ready=room, latency=self.core_latency)
        core = Module()
        m.submodules.core = EnableInserter(advance)(core)
        core.submodules.requantizer = requantizer = Requantizer(
            target=self._target, bits=WIDE_BITS, half="up", constant_k=False
        )
        tag = Stages(core, ()).delay(row.tag, self.core_latency - 1, "tag")
        narrow = Signal()
        beyond = Signal()
        result = Signal(RESULT)  # in a register, since it goes to all takers
        value = requantizer.value
        end = Cat((~value[-1]).replicate(LOCAL_BITS - 1), value[-1]).as_signed()
        m.d.comb += [
            accepts.eq(advance),
            requantizer.enable.eq(advance),
            requantizer.a.eq(row.sum),
            requantizer.scale_m.eq(row.m),
            requantizer.scale_k.eq(row.k),
            narrow.eq(~Cat(tag == TAGS[name] for name in WIDE).any()),
            beyond.eq(narrow & (value[LOCAL_BITS - 1 :] != value[-1].replicate(WIDE_BITS - LOCAL_BITS + 1))),
        ]
        core.d.sync += [
            result.tag.eq(tag),
            result.saturated.eq(requantizer.saturated | beyond),
            result.value.eq(Mux(beyond, end, value)),
        ]
        for taker in TAKERS:
            m.submodules["_".join(("leaving", *taker))] = leaving = RegisterSlice(RESULT)
            mine = Signal(name="_".join(("is", *taker)))
            m.d.comb += [
                mine.eq(Cat(result.tag == TAGS[name] for name in taker).any()),
                leaving.i.valid.eq(valid & mine),
                Value.cast(leaving.i.payload).eq(Value.cast(result)),
            ]
            with m.If(mine):
                m.d.comb += room.eq(leaving.i.ready)
            self._give(m, leaving.o, taker)

    def _give(self, m: Module, given: Any, taker: Sequence[Result]) -> None:
        """Give each result to its stream; keep its flag."""
        for result in taker:
            port, chosen = getattr(self, result), Signal(name=f"chosen_{result}")
            flag = Signal(name=f"saturated_{result}")
            m.d.comb += [
                chosen.eq(given.valid & (given.payload.tag == TAGS[result])),
                port.valid.eq(chosen),
                port.payload.eq(given.payload.value),
                self.saturated[TAGS[result]].eq(flag),
            ]
            with m.If(chosen):
                m.d.comb += given.ready.eq(port.ready)
            m.d.sync += flag.eq((chosen & port.ready & given.payload.saturated) | (flag & ~self.clear))
