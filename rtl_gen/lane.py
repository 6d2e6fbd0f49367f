"""One lane of the encoder: from an input's bits to its code, in three or four pipeline stages."""

from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, Signal, Value, signed, unsigned

from golden.formats import SegmentedFormat
from golden.inputs import InputType
from golden.scale import Scale
from rtl_gen.decision import Region, guard_bits, regions
from rtl_gen.select import choose, resize
from rtl_gen.window import K_MAX, K_MIN, Window

K_SHAPE = signed(9)  # holds every k
assert -(1 << 8) <= K_MIN <= K_MAX < 1 << 8


class Lane(Elaboratable):
    """Quantises one value per cycle; all registers belong to the ``sync`` domain (wrap it in an enable to stall).

    Stages: product; alignment (unless the shift is constant); comparison; selection.

    The sign is not removed by a negation but by a one's complement, ``|P| = ~P + 1``: after truncation that differs from
    ``T = floor(|P| * 2**-shift)`` only if nothing was truncated, and then by one, which becomes the carry of the one
    adder. So D, what :func:`rtl_gen.decision.regions` speaks of, is never formed: it is ``base + carry``.

    Members: ``x`` (input bits) and, with a run-time scale, ``scale_m`` and ``scale_k`` in; ``code``, ``saturated``,
    ``nan`` out, :attr:`latency` cycles later.
    """

    def __init__(
        self, *, format: SegmentedFormat, input: InputType, scale: Scale | None, scale_bits: int
    ) -> None:
        self._format = format
        self._input = input
        self._window = Window.of(format, input, scale, scale_bits)
        self._regions = regions(format)
        self.x = Signal(input.width)
        self.scale_m = Signal(scale_bits) if scale is None else Const(scale.M, scale_bits)
        self.scale_k = Signal(K_SHAPE) if scale is None else Const(0, K_SHAPE)  # a constant k is in the window
        self.code = Signal(format.bits, reset_less=True)
        self.saturated = Signal(reset_less=True)
        self.nan = Signal(reset_less=True)

    @property
    def latency(self) -> int:
        """Cycles from ``x`` to ``code``."""
        return 3 if self._window.distance is None else 4

    def elaborate(self, platform: object) -> Module:
        m = Module()
        product = self._multiply(m)
        position = self._align(m, *product)
        self._select(m, *self._compare(m, *position))
        return m

    def _register(self, m: Module, value: Value, name: str) -> Signal:
        register = Signal.like(value, name=name, reset_less=True)
        m.d.sync += register.eq(value)
        return register

    def _multiply(self, m: Module) -> tuple[Value, Value, Value, Value, Value]:
        """First stage: (product, shift distance, negative, certainly too large, nan), registered."""
        input, window = self._input, self._window
        distance = Signal(range(window.width + 1))
        too_large = Signal()
        if not input.is_float:
            significand = self.x.as_signed()
            negative, nan = self.x[-1], Const(0)
            # significand * M: both signed, M widened by a zero
            factor = Cat(self.scale_m, Const(0, 1)).as_signed()
            exponent = Const(0, 1)
            special = Const(0)
        else:
            fraction = self.x[: input.fraction_bits]
            biased = self.x[input.fraction_bits : -1]
            special = biased.all()
            nan = special & fraction.any()
            negative = self.x[-1] & ~nan  # NaN becomes the one zero code
            significand = Cat(fraction, biased.any())
            factor = self.scale_m
            exponent = Mux(biased.any(), biased, 1)
        product = Signal(signed(window.product_bits) if not input.is_float else unsigned(window.product_bits))
        m.d.comb += product.eq(significand * factor)
        if window.distance is not None:
            constant, from_k = window.distance
            # |constant| + |k| + exponent < 2**11: k has 9 bits, the exponent 8, the constant as many as both
            wanted = Signal(signed(12))
            m.d.comb += wanted.eq(constant + (self.scale_k if from_k else 0) - exponent * int(input.is_float))
            with m.If(nan | (~wanted[-1] & (wanted.as_unsigned() > window.width))):
                m.d.comb += distance.eq(window.width)  # nothing is left
            with m.Elif(wanted[-1]):
                # Left of the window: even the smallest normal number saturates. A subnormal that gets here does so, or is
                # 0, at distance 0 as well.
                m.d.comb += too_large.eq((significand[-1] if input.is_float else 0) & ~special)
            with m.Else():
                m.d.comb += distance.eq(wanted)
        return (
            self._register(m, product, "product"),
            self._register(m, distance, "distance"),
            self._register(m, negative, "product_negative"),
            self._register(m, too_large | (special & ~nan), "too_large"),
            self._register(m, nan, "product_nan"),
        )

    def _align(
        self, m: Module, product: Value, distance: Value, negative: Value, too_large: Value, nan: Value
    ) -> tuple[Value, Value, Value, Value, Value]:
        """(magnitude, exact, negative, too_large, nan); registered if there is something to shift.

        magnitude: ``floor(|P| * 2**-shift)`` of ``bits`` bits; one less where P is negative fixed point and nothing was
        truncated.
        """
        window = self._window
        lowest = window.lowest
        if lowest > 0:
            kept, lost = product >> lowest, product[:lowest].any()
        else:
            kept, lost = product << -lowest, Const(0)
        kept = resize(kept, window.width)
        if window.distance is not None:
            below = Signal(window.width)
            m.d.comb += below.eq((1 << distance) - 1)
            lost = lost | (kept & below).any()
            # resize() forgets the sign, which an arithmetic shift needs
            kept = resize((kept if self._input.is_float else kept.as_signed()) >> distance, window.width)
        if not self._input.is_float:
            kept = kept ^ negative.replicate(len(kept))
        magnitude = Signal(window.bits)
        m.d.comb += magnitude.eq(kept[: window.bits])
        too_large = too_large | kept[window.bits :].any()
        position = (magnitude, ~lost, negative, too_large, nan)
        if window.distance is None:
            return position
        names = ("magnitude", "exact", "negative", "aligned_too_large", "aligned_nan")
        registered = [self._register(m, value, name) for value, name in zip(position, names, strict=True)]
        return tuple(registered)  # type: ignore[return-value]

    def _compare(
        self, m: Module, magnitude: Value, exact: Value, negative: Value, too_large: Value, nan: Value
    ) -> tuple[Value, Value, list[Value], Value, Value]:
        """(base, carry, D >= first of each region but the lowest, minus sign, nan), registered."""
        is_float, kind = self._input.is_float, self._format.kind
        truncated_tie = negative & exact  # a one's complement that is one too low
        carry: Value
        if kind == "twos-complement":
            carry = Const(1, 1) if is_float else ~truncated_tie
        elif is_float == (kind == "sign-magnitude"):
            carry = Const(0, 1)
        else:
            carry = truncated_tie
        if kind == "sign-magnitude":
            base, under = magnitude, Const(0)
        else:
            base = Cat(magnitude ^ negative.replicate(len(magnitude)), negative).as_signed()
            under = too_large & negative
            too_large = too_large & ~negative
        if guard_bits(self._format):
            # With a carry nothing was truncated, the sticky bit is 0, and the carry has to pass it: 1 + 1.
            base = _same_sign(Cat(~exact | carry, base), base)

        def reaches(first: int) -> Value:
            # base + carry >= first, as one comparison with a constant
            return (_same_sign(Cat(carry, base), base) >= 2 * first - 1) | too_large

        flags = []
        for number, region in enumerate(self._regions[1:]):
            assert region.first is not None
            flags.append(self._register(m, reaches(region.first) & ~under, f"reaches{number}"))
        minus: Value = Const(0, 1)
        if kind == "sign-magnitude":
            nonzero = reaches(1 << (self._format.shifts[0] + guard_bits(self._format)))
            minus = self._register(m, negative & nonzero, "minus")
        carry = carry if isinstance(carry, Const) else self._register(m, carry, "carry")
        return self._register(m, base, "base"), carry, flags, minus, self._register(m, nan, "compared_nan")

    def _select(self, m: Module, base: Value, carry: Value, flags: list[Value], minus: Value, nan: Value) -> None:
        """The last stage: one constant chosen, one addition, one slice picked."""
        field = self._format.code_field_bits if self._format.kind == "sign-magnitude" else self._format.bits
        formulas = [region for region in self._regions if region.constant is None]
        width = max(region.shift for region in formulas) + field  # the sum is right modulo 2**width
        addend = _choose_addend(self._regions, flags, width)
        # base + addend + carry in one adder: the carry enters through an extra low bit
        total = (Cat(Const(1, 1), resize(base, width)) + Cat(carry, addend))[1 : width + 1]
        slices = [
            Const(region.constant, field) if region.constant is not None else total[region.shift : region.shift + field]
            for region in self._regions
        ]
        saturated = [Const(int(region.saturated), 1) for region in self._regions]
        code = choose(slices, flags)
        m.d.sync += [
            self.code.eq(Cat(code, minus) if self._format.kind == "sign-magnitude" else code),
            self.saturated.eq(choose(saturated, flags)),
            self.nan.eq(nan),
        ]


def _choose_addend(table: tuple[Region, ...], flags: list[Value], width: int) -> Value:
    """The addend of the region that D is in; in constant regions any will do, their sum is not used."""
    formulas = [n for n, region in enumerate(table) if region.constant is None]
    addends = [Const(table[n].addend % (1 << width), width) for n in formulas]
    return choose(addends, [flags[n - 1] for n in formulas[1:]])


def _same_sign(value: Value, like: Value) -> Value:
    return value.as_signed() if like.shape().signed else value
