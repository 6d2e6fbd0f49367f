"""Codes as mantissa and shift: a decoder for multiplications, which shift the product instead of the operand."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.rtl_gen.lane.piecewise import Interval, intervals
from qse_hw.rtl_gen.logic.reset import omit_reset
from qse_hw.rtl_gen.logic.select import choose, greater_equal, resize
from qse_hw.rtl_gen.logic.stages import Stages


@dataclass(frozen=True, kw_only=True)
class Part:
    """From the code ``first`` on: ``value + Z == ((code << left) + offset) << shift``; if ``left`` is None, without
    the code.

    ``first`` and ``code`` are without the sign bit of sign-magnitude formats; Z is the zero point.
    """

    first: int
    left: int | None
    offset: int
    shift: int


@dataclass(frozen=True, kw_only=True)
class Split:
    """A format as mantissas and shifts: ``value + Z == mantissa << shift``.

    ``parts`` ascend from code 0; two's complement has none, as its mantissa is the code. ``shifts``: all shifts,
    ascending. ``width``: bits of the signed mantissas.
    """

    parts: tuple[Part, ...]
    shifts: tuple[int, ...]
    width: int

    @property
    def latency(self) -> int:
        """Cycles from a code to its :class:`Mantissa`."""
        return 2 if self.parts else 1


def split(format: SegmentedFormat, mantissa_bits: int) -> Split:
    """Split ``format``; codes without a value stand for 0.

    Segments share a shift if their mantissas then have at most ``mantissa_bits`` bits of magnitude: fewer shifts make a
    smaller multiplexer.
    """
    if format.kind == "twos-complement":
        return Split(parts=(), shifts=(0,), width=format.bits)
    table, zero = intervals(format), format.zero_point
    ends = [*(interval.first for interval in table[1:]), 1 << format.code_field_bits]
    own = [_own_shift(interval, zero) for interval in table]
    largest = [_axis(interval, end - 1, zero) for interval, end in zip(table, ends, strict=True)]
    chosen: dict[int, int] = {}
    for n in sorted(range(len(table)), key=own.__getitem__):
        shared = (shift for shift in sorted(set(chosen.values())) if largest[n] >> shift < 1 << mantissa_bits)
        chosen[n] = next(shared, own[n])
    parts = [
        Part(
            first=interval.first,
            left=interval.shift - chosen[n] if interval.assigned else None,
            offset=_axis(interval, 0, zero) >> chosen[n],
            shift=chosen[n],
        )
        for n, interval in enumerate(table)
    ]
    peak = max(largest[n] >> chosen[n] for n in chosen)
    return Split(parts=tuple(parts), shifts=tuple(sorted(set(chosen.values()))), width=peak.bit_length() + 1)


def _own_shift(interval: Interval, zero: int) -> int:
    """The largest shift that fits every value of the interval."""
    if not interval.assigned:
        return 0
    offset = interval.offset + zero
    return min(interval.shift, (offset & -offset).bit_length() - 1) if offset else interval.shift


def _axis(interval: Interval, code: int, zero: int) -> int:
    return (code << interval.shift) + interval.offset + zero if interval.assigned else zero


class Mantissa(wiring.Component):
    """A code to its mantissa, in two stages: a comparison and a choice of constants; one addition.

    Latency: ``split.latency`` cycles. Throughput: one code per cycle.

    Parameters:
        format: of the codes.
        split: of the format.

    Members:
        code: the code.
        mantissa: its mantissa, signed.
        above: bit n: the code's shift is larger than ``split.shifts[n]``.
    """

    def __init__(self, *, format: SegmentedFormat, split: Split) -> None:
        self._format = format
        self._split = split
        super().__init__(
            {"code": In(format.bits), "mantissa": Out(signed(split.width)), "above": Out(len(split.shifts) - 1)}
        )
        omit_reset(self, "mantissa", "above")

    def elaborate(self, platform: object) -> Module:
        m = Module()
        parts, shifts = self._split.parts, self._split.shifts
        if not parts:
            m.d.sync += self.mantissa.eq(self.code.as_signed())
            return m
        width = len(self.mantissa)
        field = self.code[: self._format.code_field_bits]
        flags = []
        for part in parts[1:]:
            flag = Signal(name=f"from{part.first}")
            m.d.comb += flag.eq(greater_equal(field, part.first))
            flags.append(flag)

        def constants(values: list[int]) -> Value:
            return choose([Const(value % (1 << width), width) for value in values], flags)

        code = choose(
            [Const(0, width) if part.left is None else resize(field << part.left, width) for part in parts], flags
        )
        offset = constants([part.offset for part in parts])
        if self._format.signed:
            # -(a + b) = ~a + (1 - b): one adder for both signs
            negative = self.code[-1]
            code = code ^ negative.replicate(width)
            offset = Mux(negative, constants([1 - part.offset for part in parts]), offset)
        ranks = [shifts.index(part.shift) for part in parts]
        above = [choose([Const(int(rank > n), 1) for rank in ranks], flags) for n in range(len(self.above))]
        stages = Stages(m, ())
        m.d.sync += [
            self.mantissa.eq((stages.register(code, "shifted") + stages.register(offset, "offset"))[:width]),
            self.above.eq(stages.register(Cat(*above), "chosen")),
        ]
        return m
