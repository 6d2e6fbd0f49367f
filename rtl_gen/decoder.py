"""The decoder: codes in, integers in fine steps out. A comparison, a shift and one addition."""

from amaranth.hdl import Const, EnableInserter, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.rtl_gen.lane.piecewise import intervals
from qse_hw.rtl_gen.logic.reset import omit_reset
from qse_hw.rtl_gen.logic.select import choose, resize
from qse_hw.rtl_gen.logic.stall import connect, stall_control, sticky
from qse_hw.rtl_gen.units.decoder import DecoderConfig, value_width


class Decoder(wiring.Component):
    """Dequantizes ``lanes`` codes per beat to integers in fine steps (``s * 2**-F``).

    Arithmetic, per lane: ``((code << shift) + offset)``, shift and offset those of the code's interval
    (:func:`qse_hw.rtl_gen.lane.piecewise.intervals`), negated by the sign bit: exactly
    :func:`qse_hw.golden.formats.scalar.dequantize`. Codes that the format does not assign give 0 and set ``invalid``.

    Latency: :attr:`latency` cycles. Throughput: one beat per cycle; stalls as a whole.

    Parameters:
        config: what to build.

    Members:
        i: stream of ``lanes`` codes, lane 0 in the low bits.
        o: stream of ``lanes`` signed integers of :func:`qse_hw.rtl_gen.units.decoder.value_width` bits.
        clear: clears ``invalid`` (an event in the same cycle is kept).
        invalid: sticky: a beat that left contained a code without a value.
    """

    latency = 2

    def __init__(self, config: DecoderConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(unsigned(config.format.bits), config.lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(signed(value_width(config.format)), config.lanes))),
                "clear": In(1),
                "invalid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        advance, o_valid = stall_control(m, i_valid=self.i.valid, o_ready=self.o.ready, latency=self.latency)
        lanes = []
        for number in range(self.config.lanes):
            lane = DecoderLane(format=self.config.format)
            m.submodules[f"lane{number}"] = EnableInserter(advance)(lane)
            m.d.comb += lane.code.eq(self.i.payload[number])
            lanes.append(lane)
        connect(m, self, advance, o_valid, (lane.value for lane in lanes))
        sticky(m, self, self.invalid, (lane.invalid for lane in lanes))
        return m


class DecoderLane(wiring.Component):
    """Dequantizes one code. Latency: 2 cycles (registers for the code and for its value). Throughput: one per cycle.

    Parameters:
        format: of the codes.

    Members:
        code: the code.
        value: its value in fine steps, signed.
        invalid: the format assigns no value to the code.
    """

    def __init__(self, *, format: SegmentedFormat) -> None:
        self._format = format
        super().__init__(
            {"code": In(format.bits), "value": Out(signed(value_width(format))), "invalid": Out(1)}
        )
        omit_reset(self, "value", "invalid")

    def elaborate(self, platform: object) -> Module:
        m = Module()
        code = Signal(self._format.bits, reset_less=True)
        m.d.sync += code.eq(self.code)
        if self._format.kind == "twos-complement":
            m.d.sync += self.value.eq(code.as_signed() << self._format.shifts[0])
            return m
        width = len(self.value)
        field = code[: self._format.code_field_bits]
        negative = code[-1] if self._format.signed else Const(0, 1)
        table = intervals(self._format)
        flags = [field >= interval.first for interval in table[1:]]
        shifted = choose([resize(field << interval.shift, width) for interval in table], flags)
        # -(a + b) = ~a + (1 - b): one adder for both signs
        offset = choose([Const(interval.offset % (1 << width), width) for interval in table], flags)
        if self._format.signed:
            minus_offset = choose([Const((1 - interval.offset) % (1 << width), width) for interval in table], flags)
            shifted, offset = shifted ^ negative.replicate(width), Mux(negative, minus_offset, offset)
        assigned = choose([Const(int(interval.assigned), 1) for interval in table], flags)
        m.d.sync += [
            self.value.eq(Mux(assigned, (shifted + offset)[:width], 0)),
            self.invalid.eq(~assigned),
        ]
        return m
