"""The quantizer as a block of a system: AXI4-Stream in and out, AXI4-Lite registers."""

from amaranth.hdl import Cat, Module, ResetInserter, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from qse_hw.rtl_gen.bus.axi_lite import AxiLite, axi_lite_ports
from qse_hw.rtl_gen.bus.axi_stream import axi_stream_ports, bytes_of, kept
from qse_hw.rtl_gen.bus.register_block import RegisterBlock, serve
from qse_hw.rtl_gen.bus.registers import ADDRESS_WIDTH
from qse_hw.rtl_gen.lane.geometry import Geometry
from qse_hw.rtl_gen.logic.event_counter import EventCounter
from qse_hw.rtl_gen.logic.register_slice import RegisterSlice
from qse_hw.rtl_gen.quantizer.apply_parameters import ApplyParameters
from qse_hw.rtl_gen.quantizer.packet_gate import PacketGate
from qse_hw.rtl_gen.quantizer.quantizer_core import QuantizerCore, beat_layout, core_latency
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig


class Quantizer(wiring.Component):
    """Quantizes packets of values; scale and format can be set by software.

    Arithmetic: each value as :class:`qse_hw.rtl_gen.encoder.Encoder`'s; or, bypassed, the low bits pass unchanged.

    Each input beat gives one output beat. Values and codes occupy whole bytes; surplus high bits are ignored at the
    input and 0 at the output. A lane with all its bytes kept holds a value; any other lane gives the code of 0 with no
    byte kept and is not counted. New parameters take effect between packets: a packet that has begun passes to its end
    with the old ones, and no other packet enters meanwhile. A soft reset discards all beats inside except one or two
    that the output may already offer; if the last of those does not end its packet, an extra beat without kept bytes
    does.

    Latency: :attr:`latency` cycles from an accepted beat to its output. Throughput: one beat per cycle. No
    combinational path leads from an input to an output.

    Parameters:
        config: what to build. ``format`` and ``scale`` are effective after a reset; the format's kind, bits and steps
            and the scale's bits cannot change. For ``pipeline`` see :class:`qse_hw.rtl_gen.lane.geometry.Geometry`.

    Members:
        s_axis_*: stream of values.
        m_axis_*: stream of codes.
        s_axi_*: AXI4-Lite bus, to the registers of :attr:`registers`.

    Raises:
        InputError: if the format cannot be set at run time, ``pipeline`` exceeds the number of optional steps, or M is
            too wide for the target's multipliers.
    """

    def __init__(self, config: QuantizerConfig) -> None:
        self.config = config
        self.registers = config.registers
        self._geometry = Geometry(
            format=config.format, input=config.input, scale=None, scale_bits=config.scale.bits, runtime_format=True,
            target=config.target, pipeline=config.pipeline,
        )  # fmt: skip
        super().__init__(
            axi_stream_ports("s_axis", config.input.width, config.lanes, out=False)
            | axi_stream_ports("m_axis", config.format.bits, config.lanes, out=True)
            | {f"s_axi_{name}": member for name, member in axi_lite_ports(ADDRESS_WIDTH).items()}
        )

    @property
    def latency(self) -> int:
        """Cycles from an accepted beat to its output."""
        return core_latency(self._geometry) + RegisterSlice.latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.axi_lite = axi_lite = AxiLite(address_width=ADDRESS_WIDTH)
        m.submodules.registers = registers = RegisterBlock(registers=self.registers)
        m.submodules.apply = apply = ApplyParameters(
            format=self.config.format, scale=self.config.scale, registers=self.registers
        )
        m.submodules.gate = gate = PacketGate()
        soft_reset = registers.commands.soft_reset
        core = QuantizerCore(geometry=self._geometry, lanes=self.config.lanes)
        m.submodules.core = ResetInserter(soft_reset)(core)
        self._bus(m, axi_lite, registers)
        m.d.comb += [
            apply.parameters.eq(registers.parameters),
            apply.check.eq(gate.check),
            apply.load.eq(gate.load),
            gate.done.eq(apply.done),
            gate.refused.eq(apply.refused.any()),
            gate.apply.eq(registers.commands.apply),
            gate.soft_reset.eq(soft_reset),
            gate.empty.eq(core.empty),
            core.scale_m.eq(apply.scale_m),
            core.scale_k.eq(apply.scale_k),
            core.regions.eq(apply.regions),
            core.bypass.eq(apply.bypass),
            registers.locked.eq(gate.pending | registers.commands.apply),
            registers.status.pending.eq(gate.pending | registers.commands.apply),
            registers.status.busy.eq(gate.packet | ~core.empty | self.m_axis_tvalid),
            registers.status.bypassed.eq(apply.bypass),
            registers.status.error.eq(apply.refused),
            registers.forget.eq(soft_reset),
            registers.noticed.parameter_error.eq(gate.error),
        ]
        closing = self._leave(m, core, soft_reset)
        self._enter(m, core, gate, registers, gate.open & ~closing)
        self._count(m, core, registers)
        return m

    def _bus(self, m: Module, axi_lite: AxiLite, registers: RegisterBlock) -> None:
        for name, member in axi_lite_ports(ADDRESS_WIDTH).items():
            inner, outer = getattr(axi_lite, name), getattr(self, f"s_axi_{name}")
            m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)
        serve(m, axi_lite, registers)

    def _enter(
        self, m: Module, core: QuantizerCore, gate: PacketGate, registers: RegisterBlock, open: Value
    ) -> None:
        i = core.i
        keep, partial = kept(self.s_axis_tkeep, self.config.lanes)
        size = 8 * bytes_of(self.config.input.width)
        may = Signal()
        accepted = Signal()
        cut = Signal()
        m.d.comb += [
            may.eq(open),
            i.valid.eq(self.s_axis_tvalid & may),
            self.s_axis_tready.eq(i.ready & may),
            accepted.eq(self.s_axis_tvalid & self.s_axis_tready),
            i.payload.keep.eq(keep),
            i.payload.last.eq(self.s_axis_tlast),
            *(i.payload.values[n].eq(self.s_axis_tdata.word_select(n, size)) for n in range(self.config.lanes)),
            gate.accepted.eq(accepted),
            gate.last.eq(self.s_axis_tlast),
            registers.noticed.partial_keep.eq(cut),
        ]
        m.d.sync += cut.eq(accepted & partial.any() & ~registers.commands.soft_reset)

    def _leave(self, m: Module, core: QuantizerCore, soft_reset: Value) -> Signal:
        """Connect the core to the output; returns whether a packet that a soft reset has cut is still to be ended."""
        m.submodules.slice = out = RegisterSlice(beat_layout(self.config.format.bits, self.config.lanes))
        size = bytes_of(self.config.format.bits)
        closing = Signal()
        unended = Signal()  # the last beat that has left the core was not its packet's last
        with m.If(out.i.valid & out.i.ready):
            m.d.sync += unended.eq(~out.i.payload.last)
        with m.If(soft_reset):
            m.d.sync += closing.eq(1)
        with m.Elif(~unended):
            m.d.sync += closing.eq(0)
        m.d.comb += [
            out.i.valid.eq(core.o.valid | (closing & unended)),
            core.o.ready.eq(out.i.ready),
            out.i.payload.eq(core.o.payload),
        ]
        with m.If(closing):  # the core is empty
            m.d.comb += [out.i.payload.eq(0), out.i.payload.last.eq(1)]
        beat = out.o.payload
        m.d.comb += [
            self.m_axis_tvalid.eq(out.o.valid),
            out.o.ready.eq(self.m_axis_tready),
            self.m_axis_tlast.eq(beat.last),
            self.m_axis_tkeep.eq(Cat(beat.keep[n].replicate(size) for n in range(self.config.lanes))),
            *(self.m_axis_tdata.word_select(n, 8 * size).eq(beat.values[n]) for n in range(self.config.lanes)),
        ]
        return closing

    def _count(self, m: Module, core: QuantizerCore, registers: RegisterBlock) -> None:
        """Count the beats that pass from the core to the register slice, which a soft reset no longer discards."""
        lanes = self.config.lanes
        beat = [Signal.like(part, reset_less=True) for part in (core.o.payload.keep, core.saturated, core.nan)]
        segment = Signal.like(core.segment, reset_less=True)
        moved = Signal()
        passes = Signal(lanes)
        quantized = Signal(lanes)
        m.d.sync += [
            moved.eq(core.o.valid & core.o.ready & ~registers.commands.soft_reset),
            Cat(beat).eq(Cat(core.o.payload.keep, core.saturated, core.nan)),
            segment.eq(core.segment),
        ]
        keep, saturated, nan = beat
        m.d.comb += [
            passes.eq(keep & moved.replicate(lanes)),
            quantized.eq(passes & ~registers.status.bypassed.replicate(lanes)),
        ]
        events = {"values": passes, "saturated": saturated & quantized, "nan": nan & quantized}
        for n in range(len(self.config.format.segments)):
            inside = Cat(segment[lane] == n for lane in range(lanes))
            events[f"segment{n}_values"] = quantized & inside
        for name, happened in events.items():
            counter = EventCounter(lanes=lanes)
            m.submodules[f"count_{name}"] = ResetInserter(registers.commands.soft_reset)(counter)
            m.d.comb += [
                counter.lanes.eq(happened),
                counter.clear.eq(registers.clear[name]),
                registers.counts[name].eq(counter.count),
            ]
        m.d.comb += [
            registers.noticed.saturated.eq(events["saturated"].any()),
            registers.noticed.nan.eq(events["nan"].any()),
        ]
