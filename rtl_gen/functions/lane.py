# amaranth: UnusedElaboratable=no
"""One lane of the function unit: argument, segment, coefficients, polynomial, output; one value per cycle.

The encoder's lane is :mod:`qse_hw.rtl_gen.lane`.
"""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.errors import InputError
from qse_hw.golden.functions.blocks import blocks, by_code, codes
from qse_hw.rtl_gen.functions.argument import ARGUMENTS
from qse_hw.rtl_gen.functions.logic_multiplier import LogicMultiplier, logic_multiplier_latency
from qse_hw.rtl_gen.functions.segment import segment_code
from qse_hw.rtl_gen.lane.multiplier import DSP_WIDTH, Multiplier, multiplier_latency
from qse_hw.rtl_gen.logic.select import pick, resize, table
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.units.function import FunctionConfig

_LEVELS = 2  # of a shift by a variable amount, between registers


class FunctionLane(wiring.Component):
    """One value of a :class:`qse_hw.rtl_gen.functions.function.Function`, without handshake.

    Attributes:
        latency: cycles from ``x`` to ``y``.

    Members:
        x: the input, in steps.
        enable: that of the ``sync`` domain, for cells that are beyond the reach of an ``EnableInserter``.
        y: the output, in steps.
        outside: whether the input was outside the domain.
    """

    def __init__(self, config: FunctionConfig) -> None:
        self._config, self._unit = config, config.arithmetic
        unit, reduction, polynomial = self._unit, self._unit.reduction, self._unit.polynomial
        self._argument = ARGUMENTS[reduction.kind](unit)
        self._even = reduction.kind == "even"
        # max(x, 0) is a part of the slope, unless the slope is of something else than the argument
        self._relu_in_slope = self._even and not polynomial.local and polynomial.offset_bits is None
        made = blocks(polynomial.starts, reduction.argument_bits) or []
        self._codes = codes(polynomial.starts, reduction.argument_bits)
        self._equal = len(made) == 1  # all segments of one length
        self._slices = sorted(set(polynomial.coarse))
        # a cycle for d, or for inverting the slope's bits, unless the multiplier has registers of its own
        inverts = reduction.mirrored and config.target != "ecp5"
        self._moves = polynomial.local or len(self._slices) > 1 or inverts
        bits = reduction.argument_bits if polynomial.offset_bits is None else polynomial.offset_bits
        if self._equal and polynomial.local:
            bits = made[0].length_bits
        self._d = signed(config.input.width) if reduction.mirrored else unsigned(bits)
        self._c2 = _shape(polynomial.c2)
        slopes = [*polynomial.c1, *(c1 + (1 << unit.slope_bits) for c1 in polynomial.c1 if self._relu_in_slope)]
        if polynomial.c2:
            farthest = (1 << self._d.width) - 1
            bends = [(c2 * farthest) >> polynomial.truncated for c2 in polynomial.c2]
            slopes = [min(slopes) + min(0, *bends), max(slopes) + max(0, *bends)]
        self._slope = signed(unit.slope_bits + 2) if reduction.mirrored else _shape(slopes)
        self._check_widths()
        self._levels = _levels(len(self._argument.left))
        last = self._multiplier_latency(self._slope)
        self.latency = self._argument.latency + 1 + 1 + self._moves + last + 1
        if polynomial.c2:
            self.latency += self._multiplier_latency(self._c2) + 1
        if reduction.shift_varies:
            self.latency += -(-len(self._levels) // _LEVELS) + unit.rounds
        super().__init__(
            {
                "x": In(signed(config.input.width)),
                "enable": In(1),
                "y": Out(signed(config.output.width)),
                "outside": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = Stages(m, ())
        unit, polynomial = self._unit, self._unit.polynomial
        m.submodules.argument = argument = self._argument
        m.d.comb += [
            argument.x.eq(self.x),
            self.outside.eq(stages.delay(argument.outside, self.latency - argument.latency, "outside")),
        ]
        index = stages.register(segment_code(argument.argument, polynomial.starts), "index")
        t_before, positive = stages.register(argument.factor, "t1"), stages.register(argument.positive, "positive")
        c0 = self._table(stages, index, polynomial.c0, "c0")
        if unit.reduction.mirrored:
            c1 = self._mirrored(stages, index, positive)
        else:
            c1 = self._table(stages, index, polynomial.c1, "c1", positive if self._relu_in_slope else None)
        c2 = self._table(stages, index, polynomial.c2, "c2") if polynomial.c2 else Const(0, 1)
        t = stages.register(t_before, "t2")
        relu = stages.register(Mux(positive, t_before, 0), "relu") if self._even and not self._relu_in_slope else None
        d = self._d_of(stages, index, t)
        cycles = int(self._moves)  # since the coefficients came
        if self._moves:
            c0, c1, c2 = (stages.register(one, f"{name}_kept") for one, name in ((c0, "c0"), (c1, "c1"), (c2, "c2")))
        slope = c1
        if polynomial.c2:
            bend = self._multiply(m, d, c2, self._c2, "curvature")
            wait = self._multiplier_latency(self._c2)
            slope = stages.register(stages.delay(c1, wait, "c1_wait") + (bend >> polynomial.truncated), "slope")
            c0, d = stages.delay(c0, wait + 1, "c0_wait"), stages.delay(d, wait + 1, "d_wait")
            cycles += wait + 1
        product = self._multiply(m, d, slope, self._slope, "product")
        wait = self._multiplier_latency(self._slope)
        total, below = self._sum(stages, product, c0, wait, relu, cycles + wait)
        if not unit.reduction.shift_varies:
            m.d.comb += self.y.eq(total >> (polynomial.sum_bits + unit.output.exponent - below))
        else:
            left = stages.delay(argument.left, 3 + cycles + wait, "left")
            shifted = self._shifted(stages, total, argument.base - below, left)
            m.d.comb += self.y.eq(self._with_end(stages, shifted))
        return m

    def _rows(self, rows: Sequence[int]) -> list[int]:
        return by_code(rows, self._codes)

    def _d_of(self, stages: Stages, index: Value, t: Value) -> Value:
        """What the slope is multiplied with; ``index`` came a cycle before ``t``."""
        polynomial, width = self._unit.polynomial, self._d.width
        if self._unit.reduction.mirrored:
            return stages.register(t, "d") if self._moves else t
        if not self._moves:
            low = self._slices[0] if self._slices else 0
            return t[low : low + width]
        if not polynomial.local:
            codes = self._rows([self._slices.index(low) for low in polynomial.coarse])
            which = stages.register(table(index, codes), "slice")
            return stages.register(pick(which, [resize(t[low : low + width], width) for low in self._slices]), "d")
        if self._equal:
            return stages.register(t[:width], "d")
        grid = min((start & -start).bit_length() - 1 for start in (*polynomial.starts[1:], 1 << len(t)))
        start = stages.register(table(index, self._rows([one >> grid for one in polynomial.starts])), "start")
        return stages.register(Cat(t[:grid], (t[grid:] - start)[: len(t) - grid]), "d")

    def _table(
        self, stages: Stages, index: Value, rows: tuple[int, ...], name: str, positive: Value | None = None
    ) -> Value:
        """A coefficient by the segment's number, registered; with 1 added to the slope where ``positive``."""
        shape = _shape(rows)
        coefficient = table(index, [row % (1 << shape.width) for row in self._rows(rows)], shape.width)
        coefficient = coefficient.as_signed() if shape.signed else coefficient
        if positive is None:
            return stages.register(coefficient, name)
        fraction = self._unit.slope_bits
        if fraction >= shape.width:  # nothing but the sign is left of it
            sign = coefficient[-1] if shape.signed else Const(0, 1)
            coefficient = Cat(coefficient, sign.replicate(fraction + 1 - shape.width)).as_signed()
        whole = coefficient[fraction:].as_signed() if shape.signed else coefficient[fraction:]
        slope = Cat(coefficient[:fraction], whole + positive)
        return stages.register(slope[: self._slope.width].as_signed(), name)

    def _mirrored(self, stages: Stages, index: Value, positive: Value) -> Value:
        """The slope of x: ``c1 + 1`` where x is positive, else ``-c1``; a cycle later.

        If ``c1 = -(2 w + 1)``, these are ``2 (~w) + 1 + 1`` and ``2 w + 1``, the first of the two 1s being the steps of
        one, so bits of w are inverted, and nothing is added. If c1 is 0, there is nothing to invert.
        """
        bits = self._unit.slope_bits - 1  # of one, in steps of w
        rows = [~(c1 >> 1) if c1 else 0 for c1 in self._unit.polynomial.c1]
        assert -1 << bits <= min(rows) <= max(rows) < 1 << bits
        w = stages.register(table(index, [row % (2 << bits) for row in self._rows(rows)], bits + 1), "w")
        odd = stages.register(table(index, self._rows([c1 & 1 for c1 in self._unit.polynomial.c1]), 1), "odd")
        # all else behind the registers: synthesis would make one table, twice as large, of it and of each of these
        positive, below_zero = stages.register(positive, "positive1"), w[bits]
        low = w[:bits] ^ (odd & positive).replicate(bits)
        return Cat(odd, low, below_zero | (positive & ~odd), below_zero & ~positive).as_signed()

    def _sum(
        self, stages: Stages, product: Value, c0: Value, wait: int, relu: Value | None, since: int
    ) -> tuple[Value, int]:
        """The polynomial's value, with max(x, 0) in it, without its lowest bits; how many these are."""
        polynomial, fraction = self._unit.polynomial, self._unit.slope_bits
        below = polynomial.dropped if relu is None else min(polynomial.dropped, fraction)
        if relu is None:
            other = stages.delay(c0, wait, "c0_delay")
        else:
            early = stages.delay(relu, since - wait, "relu_early")
            both = (c0 << (polynomial.dropped - below)) + (early << (fraction - below))
            other = stages.delay(stages.register(both, "c0_and_relu"), wait - 1, "both_delay")
        total = (product >> below) + other
        if self._unit.reduction.shift_varies:  # its highest bits would be shifted, too
            shape = _shape([bound >> below for bound in self._unit.sums])
            total = resize(total, shape.width)
            total = total.as_signed() if shape.signed else total
        return stages.register(total, "total"), below

    def _shifted(self, stages: Stages, total: Value, base: int, left: Value) -> Value:
        """The sum shifted right by ``base - left``; and by one, rounded half up, unless it is rounded down."""
        least = base - (1 << len(left)) + 1
        value = total >> least if least >= 0 else total << -least
        for number, (bit, step) in enumerate(self._levels):
            if number % _LEVELS == 0 and number:
                value = stages.register(value, f"shifted{number}")
                left = stages.register(left, f"left{number}")
            value = stages.name(Mux(left[bit], value, value >> step if step < len(value) else 0), f"by{step}")
        if self._unit.rounds:
            return (stages.register(value, "shifted") + 1) >> 1 if self._levels else (value + 1) >> 1
        return value

    def _with_end(self, stages: Stages, value: Value) -> Value:
        """The output, registered if that has a cycle: ``value``, or at the domain's end a constant."""
        argument, registered = self._argument, bool(self._levels) or self._unit.rounds
        if len(argument.below_end):
            wait = self.latency - argument.latency - registered
            end = Const(self._unit.end_value or 0)
            value = Mux(stages.delay(argument.below_end, wait, "below_end"), value, end)
        return stages.register(value, "rounded" if self._unit.rounds else "shifted") if registered else value

    def _check_widths(self) -> None:
        """InputError if a product is too wide for the target's multipliers."""
        config, d = self._config, self._d.width
        if config.multiplier == "logic" or config.target != "ecp5":
            return
        for name, b in (("slope", self._slope.width), ("curvature", self._c2.width)):
            if min(d, b) > DSP_WIDTH or max(d, b) > 2 * DSP_WIDTH - 1:
                raise InputError(
                    f"Factors for ecp5 must have at most {DSP_WIDTH} and {2 * DSP_WIDTH - 1} bits, "
                    f"not {d} (argument) and {b} ({name}) as in {config.label}; "
                    "allow a larger error, take a narrower input, or target generic"
                )

    def _swapped(self, b: Shape) -> bool:
        """Whether b takes the place of the factor that may be made of two cells."""
        return self._config.target == "ecp5" and b.width > DSP_WIDTH

    def _multiplier_latency(self, b: Shape) -> int:
        if self._config.multiplier == "logic":
            return logic_multiplier_latency(b.width)
        return multiplier_latency(b.width if self._swapped(b) else self._d.width, self._config.target)

    def _multiply(self, m: Module, a: Value, b: Value, b_shape: Shape, name: str) -> Value:
        """a, d's shape, times b."""
        multiplier: Multiplier | LogicMultiplier
        if self._config.multiplier == "logic":
            multiplier = LogicMultiplier(self._d, b_shape)
        elif self._swapped(b_shape):
            multiplier, a, b = Multiplier(b_shape, self._d, target=self._config.target), b, a
        else:
            multiplier = Multiplier(self._d, b_shape, target=self._config.target)
        m.submodules[name] = multiplier
        m.d.comb += [multiplier.a.eq(a), multiplier.b.eq(b), multiplier.enable.eq(self.enable)]
        return multiplier.p


def _levels(bits: int) -> list[tuple[int, int]]:
    """Bits of an amount to shift by, and their steps, in the order in which they are used.

    The largest step, which clears most bits, together with the smallest: a bit of the result that the large step cannot
    fill takes one look-up table of four inputs for both.
    """
    order = [n for pair in zip(reversed(range(bits)), range(bits), strict=True) for n in pair][:bits]
    return [(n, 1 << n) for n in order]


def _shape(values: "tuple[int, ...] | list[int]") -> Shape:
    """The smallest that holds all of them, and a 0."""
    low, high = min((0, *values)), max((0, *values))
    return Shape.cast(range(low, high + 1)) if low or high else unsigned(1)
