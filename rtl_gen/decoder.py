"""The decoder: codes in, integers in fine steps out. A comparison, a shift and one addition."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from amaranth.hdl import Const, EnableInserter, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.rtl_gen.lane.piecewise import intervals
from qse_hw.rtl_gen.logic.block_rom import WORDS, BlockRom
from qse_hw.rtl_gen.logic.reset import omit_reset
from qse_hw.rtl_gen.logic.select import choose, resize
from qse_hw.rtl_gen.logic.stall import connect, stall_control, sticky
from qse_hw.rtl_gen.units.decoder import DecoderConfig, value_width


class Decoder(wiring.Component):
    """Dequantizes ``lanes`` codes per beat to integers in fine steps (``s * 2**-F``).

    Arithmetic, per lane: ``((code << shift) + offset)``, shift and offset those of the code's interval
    (:func:`qse_hw.rtl_gen.lane.piecewise.intervals`), negated by the sign bit: exactly
    :func:`qse_hw.golden.formats.scalar.dequantize`. Codes that the format does not assign give 0 and set ``invalid``.

    On the target ``ecp5``, two lanes of a segmented format are one table in a block RAM.

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
        codes = [self.i.payload[number] for number in range(self.config.lanes)]
        lanes = decode(
            m, codes, format=self.config.format, target=self.config.target, enable=advance,
            wrap=EnableInserter(advance),
        )  # fmt: skip
        connect(m, self, advance, o_valid, (lane.value for lane in lanes))
        sticky(m, self, self.invalid, (lane.invalid for lane in lanes))
        return m


class Decoded(NamedTuple):
    """What a lane gives: see :class:`DecoderLane`."""

    value: Value
    invalid: Value


def decode(
    m: Module, codes: Sequence[Value], *, format: SegmentedFormat, target: str, enable: Value,
    wrap: Callable[[Any], Any] = lambda lane: lane, name: str = "lane",
) -> list[Decoded]:
    """Decode each of ``codes``, ``Decoder.latency`` cycles later.

    Args:
        m: gets the lanes as submodules, ``NAME0`` and so on, or tables ``NAME0_table``.
        codes: one per lane.
        format, target: see :class:`Decoder`.
        enable: the lanes move while it is high.
        wrap: inserts that enable, if none is around ``m``.
        name: of the submodules.
    """
    lanes: list[Decoded] = []
    if target == "ecp5" and format.kind != "twos-complement" and format.bits <= MAX_CODE_BITS:
        for first in range(0, len(codes), 2):
            m.submodules[f"{name}{first}_table"] = table = wrap(_table(format))
            m.d.comb += table.enable.eq(enable)
            ports = ((table.place0, table.word0), (table.place1, table.word1))
            for code, (place, word) in zip(codes[first : first + 2], ports, strict=False):
                m.d.comb += place.eq(code)
                lanes.append(Decoded(word[:-1].as_signed(), word[-1]))
        return lanes
    for number, code in enumerate(codes):
        lane = DecoderLane(format=format)
        m.submodules[f"{name}{number}"] = wrap(lane)
        m.d.comb += lane.code.eq(code)
        lanes.append(Decoded(lane.value, lane.invalid))
    return lanes


MAX_CODE_BITS = (WORDS - 1).bit_length()
"""Of a format whose values fit in a table."""


def _table(format: SegmentedFormat) -> BlockRom:
    """Values by code, each with a bit above it that says that the code has none."""
    width = value_width(format)
    values = [format.decoded.get(code) for code in range(1 << format.bits)]
    words = [1 << width if value is None else value % (1 << width) for value in values]
    return BlockRom(words, width=width + 1)


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
