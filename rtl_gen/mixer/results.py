# amaranth: UnusedElaboratable=no
"""From the product engine's sums to the results' streams."""

from amaranth.hdl import Cat, EnableInserter, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.reference.matvec import M_BITS, SUM_BITS
from qse_hw.golden.reference.product_schedule import LOCAL_BITS, RESULTS, WIDE, WIDE_BITS
from qse_hw.rtl_gen.encoder import Encoder
from qse_hw.rtl_gen.linear.matvec import sum_layout
from qse_hw.rtl_gen.linear.requantize import Requantizer, requantizer_latency
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.logic.stall import stall_control
from qse_hw.rtl_gen.units.encoder import EncoderConfig

TAGS = {result: number for number, result in enumerate(RESULTS)}
"""What the engine's jobs are marked with, by their result."""
TAG_BITS = (len(RESULTS) - 1).bit_length()

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

    Latency: :attr:`latency` cycles, of dt_low the encoder's. Throughput: one sum per cycle. A result that is not
    accepted stops the others.

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
        self.latency = requantizer_latency(target)
        shapes: dict[str, Shape] = {
            result: signed(WIDE_BITS if result in WIDE else LOCAL_BITS) for result in RESULTS
        }
        shapes["dt_low"] = unsigned(format.bits)
        streams = {result: Out(stream.Signature(shape)) for result, shape in shapes.items()}
        super().__init__(
            {"i": In(stream.Signature(sum_layout(TAG_BITS))), "clear": In(1), "saturated": Out(len(RESULTS)), **streams}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.low = low = self._low
        row = self.i.payload
        is_low = Signal()
        accepts = Signal()
        m.d.comb += [
            is_low.eq(row.tag == TAGS["dt_low"]),
            low.i.valid.eq(self.i.valid & is_low),
            Value.cast(low.i.payload).eq(row.sum),
            low.scale_m.eq(row.m),
            low.scale_k.eq(row.k),
            low.clear.eq(self.clear),
            self.dt_low.valid.eq(low.o.valid),
            self.dt_low.payload.eq(Value.cast(low.o.payload)),
            low.o.ready.eq(self.dt_low.ready),
            self.i.ready.eq(Mux(is_low, low.i.ready, accepts)),
        ]
        flags = self._requantize(m, accepts, self.i.valid & ~is_low)
        flags[TAGS["dt_low"]] = low.saturated
        m.d.comb += self.saturated.eq(Cat(*flags))
        return m

    def _requantize(self, m: Module, accepts: Signal, arrives: Value) -> list[Value]:
        """All results but dt_low, and their flags."""
        ready = Signal()
        advance, valid = stall_control(m, i_valid=arrives, o_ready=ready, latency=self.latency)
        core = Module()
        m.submodules.core = EnableInserter(advance)(core)
        core.submodules.requantizer = requantizer = Requantizer(
            target=self._target, bits=WIDE_BITS, half="up", constant_k=False
        )
        row = self.i.payload
        tag = Stages(core, ()).delay(row.tag, self.latency, "tag")
        narrow = Signal(signed(LOCAL_BITS))
        beyond = Signal()
        value = requantizer.value
        m.d.comb += [
            accepts.eq(advance),
            requantizer.enable.eq(advance),
            requantizer.a.eq(row.sum),
            requantizer.scale_m.eq(row.m),
            requantizer.scale_k.eq(row.k),
            beyond.eq(value[LOCAL_BITS - 1 :] != value[-1].replicate(WIDE_BITS - LOCAL_BITS + 1)),
            narrow.eq(Mux(beyond, Cat((~value[-1]).replicate(LOCAL_BITS - 1), value[-1]), value[:LOCAL_BITS])),
        ]
        flags: list[Value] = []
        for result, number in TAGS.items():
            flag = Signal(name=f"saturated_{result}")
            flags.append(flag)
            if result == "dt_low":
                continue
            port, chosen = getattr(self, result), Signal(name=f"is_{result}")
            wide = result in WIDE
            m.d.comb += [
                chosen.eq(valid & (tag == number)),
                port.valid.eq(chosen),
                port.payload.eq(value if wide else narrow),
            ]
            with m.If(chosen):
                m.d.comb += ready.eq(port.ready)
            event = chosen & port.ready & (requantizer.saturated | (0 if wide else beyond))
            m.d.sync += flag.eq(event | (flag & ~self.clear))
        return flags
