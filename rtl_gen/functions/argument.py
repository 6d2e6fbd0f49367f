"""What an input is reduced to, kind by kind: :class:`qse_hw.golden.functions.reduction.Reduction` in hardware."""

from collections.abc import Callable

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.functions.unit import FunctionUnit
from qse_hw.rtl_gen.functions.normalize import normalize, normalize_latency, steps
from qse_hw.rtl_gen.logic.select import greater_equal
from qse_hw.rtl_gen.logic.stages import Stages


class Argument(wiring.Component):
    """The argument of the core, registered.

    Attributes:
        latency: cycles from ``x`` to all outputs.
        base: the sum is shifted right by ``base`` less what ``left`` is; and, if rounded, then by one.

    Members:
        x: the input, in steps.
        argument: of the core; mirrored: its segment's key.
        factor: what the slope is multiplied with, or a part of: the argument; mirrored: x, or the end of the domain.
        positive: whether max(x, 0) is to be added, which is the argument then; mirrored: whether x >= 0.
        left: see ``base`` (other functions only).
        below_end: whether x was below the domain's high end, where the output is a constant (exp2; else no bits).
        outside: whether x was outside the domain.
    """

    latency: int
    base: int = 0

    def __init__(self, unit: FunctionUnit, left_bits: int = 0) -> None:
        self._unit = unit
        super().__init__(
            {
                "x": In(signed(unit.reduction.input.width)),
                "argument": Out(unit.reduction.argument_bits),
                "factor": Out(
                    signed(unit.reduction.input.width)
                    if unit.reduction.mirrored
                    else unsigned(unit.reduction.argument_bits)
                ),
                "positive": Out(1),
                "left": Out(left_bits),
                "below_end": Out(int(unit.end_value is not None)),
                "outside": Out(1),
            }
        )

    @property
    def _shift(self) -> int:
        """By how much a sum is shifted right for power 0, but for the last bit if the result is rounded."""
        return self._unit.polynomial.sum_bits + self._unit.output.exponent - self._unit.rounds

    def _inside(self, m: Module) -> tuple[Value, Value]:
        """x, or the end of the domain next to it, but for the high end if its output is a constant; whether outside."""
        x, width = self.x, len(self.x)
        inside: Value = x
        outside: Value = Const(0, 1)
        if self._unit.high < (1 << (width - 1)) - 1:
            above = Signal()
            m.d.comb += above.eq(greater_equal(x, self._unit.high + 1))
            outside |= above
            if self._unit.end_value is None:
                inside = Mux(above, Const(self._unit.high, signed(width)), inside)
        if self._unit.low > -1 << (width - 1):
            below = Signal()
            m.d.comb += below.eq(~greater_equal(x, self._unit.low))
            inside, outside = Mux(below, Const(self._unit.low, signed(width)), inside), outside | below
        clipped = Signal(signed(width), name="inside")
        m.d.comb += clipped.eq(inside)
        return clipped, outside


class Magnitude(Argument):
    """|x|, of the least integer the largest magnitude that the others have."""

    latency = 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = Stages(m, ())
        x, outside = self._inside(m)
        bits = len(self.argument)
        low, negative = stages.register(x[:bits], "low"), stages.register(x[-1], "negative")
        # -x = ~x + 1; nothing is added to ~x of the least integer
        more = stages.register(x[-1] & x[:bits].any(), "more")
        m.d.comb += [
            self.factor.eq(self.argument),
            self.argument.eq(stages.register(((low ^ negative.replicate(bits)) + more)[:bits], "magnitude")),
            self.positive.eq(stages.register(~negative, "positive")),
            self.outside.eq(stages.delay(outside, 2, "outside")),
        ]
        return m


class Mirror(Argument):
    """x itself, and its bits inverted where x < 0, which is one less than its magnitude."""

    latency = 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = Stages(m, ())
        x, outside = self._inside(m)
        bits = len(self.argument)
        m.d.comb += [
            self.factor.eq(stages.register(x, "x")),
            self.argument.eq(stages.register(x[:bits] ^ x[-1].replicate(bits), "key")),
            self.positive.eq(~self.factor[-1]),
            self.outside.eq(stages.register(outside, "outside")),
        ]
        return m


class FractionPart(Argument):
    """The bits of x after the binary point; the integer part, counted up so that the largest has all bits set.

    The largest is that of inputs whose output is no constant. Of inputs below 0 the bits are those of x.
    """

    latency = 2

    def __init__(self, unit: FunctionUnit) -> None:
        bits = unit.reduction.fraction_bits
        largest = unit.reduction.last_computed(unit.high, unit.output) >> bits
        super().__init__(unit, (largest - (unit.low >> bits)).bit_length())
        most = (1 << len(self.left)) - 1
        self._added = most - largest
        self.base = self._shift - largest + most

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = Stages(m, ())
        x, outside = self._inside(m)
        if len(self.below_end):
            m.d.comb += self.below_end.eq(stages.delay(~greater_equal(self.x, self._unit.high), 2, "below_end"))
        x, bits = stages.register(x, "x"), len(self.argument)
        left = (x[bits:] + self._added % (1 << len(self.left)))[: len(self.left)]
        m.d.comb += [
            self.factor.eq(self.argument),
            self.argument.eq(stages.register(x[:bits], "fraction")),
            self.left.eq(stages.register(left, "left")),
            self.outside.eq(stages.delay(outside, 2, "outside")),
        ]
        return m


class Mantissa(Argument):
    """x without its leading zeros, an even number of them."""

    def __init__(self, unit: FunctionUnit) -> None:
        reduction = unit.reduction
        self._most_zeros = (reduction.argument_bits - unit.low.bit_length()) // 2 * 2
        self.latency = 1 + normalize_latency(self._most_zeros)
        bits = len(steps(self._most_zeros))
        super().__init__(unit, bits)
        # power = (zeros - fraction_bits - exponent) / 2
        self.base = self._shift + (reduction.fraction_bits + reduction.input.exponent) // 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = Stages(m, ())
        x, outside = self._inside(m)
        mantissa = Signal(len(self.argument))
        m.d.comb += mantissa.eq(x[: len(x) - 1])
        argument, zeros = normalize(m, stages, stages.register(mantissa, "x"), self._most_zeros)
        m.d.comb += [
            self.factor.eq(self.argument),
            self.argument.eq(argument),
            self.left.eq(zeros),
            self.outside.eq(stages.delay(outside, self.latency, "outside")),
        ]
        return m


class Whole(Argument):
    """What x is past the least input."""

    latency = 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = Stages(m, ())
        x, outside = self._inside(m)
        m.d.comb += [
            self.factor.eq(self.argument),
            self.argument.eq(stages.register(Cat(x[:-1], ~x[-1]), "x")),
            self.outside.eq(stages.register(outside, "outside")),
        ]
        return m


ARGUMENTS: dict[str, Callable[[FunctionUnit], Argument]] = {
    "even": Magnitude,
    "mirrored": Mirror,
    "exponential": FractionPart,
    "root": Mantissa,
    "direct": Whole,
}
"""By :attr:`qse_hw.golden.functions.reduction.Reduction.kind`."""
