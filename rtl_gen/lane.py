"""One lane of the encoder: from an input's bits to its code, in three or four pipeline stages."""

from typing import NamedTuple

from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, Signal, Value, signed, unsigned

from golden.formats import SegmentedFormat
from golden.inputs import InputType
from golden.scale import Scale
from rtl_gen.decision import guard_bits, regions
from rtl_gen.select import at_least, choose, resize, subtract_from
from rtl_gen.window import K_MAX, K_MIN, Window

K_SHAPE = signed(9)  # holds every k
assert -(1 << 8) <= K_MIN <= K_MAX < 1 << 8


class _Product(NamedTuple):
    """What the first stage hands on: ``product``; the ``distance`` to shift it right; whether x is ``negative``;
    whether it is certainly ``too_large``; ``nan``; and ``lost``, where x alone tells whether bits will be truncated."""

    product: Value
    distance: Value
    negative: Value
    too_large: Value
    nan: Value
    lost: Value | None


class _Position(NamedTuple):
    """``magnitude``: ``floor(|P| * 2**-shift)``, one less if P is a negative integer and ``exact``, which means that
    nothing was truncated."""

    magnitude: Value
    exact: Value
    negative: Value
    too_large: Value
    nan: Value


class _Place(NamedTuple):
    """D as ``base + carry``; per region but the lowest, whether D ``reaches`` it; whether the code has a ``minus``."""

    base: Value
    carry: Value
    reaches: list[Value]
    minus: Value
    nan: Value


class Lane(Elaboratable):
    """Quantises one value per cycle; all registers belong to the ``sync`` domain (wrap it in an enable to stall).

    Stages: product; alignment (unless the shift is constant); comparison; selection.

    The sign is not removed by a negation but by a one's complement, ``|P| = ~P + 1``: after truncation that differs
    from ``T = floor(|P| * 2**-shift)`` only if nothing was truncated, and then by one, which becomes the carry of the
    one adder. So D, what :func:`rtl_gen.decision.regions` speaks of, is never formed: it is ``base + carry``.

    Members: ``x`` (input bits) and, with a run-time scale, ``scale_m`` and ``scale_k`` in; ``code``, ``saturated``,
    ``nan`` out, :attr:`latency` cycles later.
    """

    def __init__(self, *, format: SegmentedFormat, input: InputType, scale: Scale | None, scale_bits: int) -> None:
        self._format = format
        self._input = input
        self._scale = scale
        self._window = Window.of(format, input, scale, scale_bits)
        self._regions = regions(format)
        # where a segment ends at 0 with exact_end, the least bit more than 0 is the next code: D = 1, the sticky bit
        self._only_zero_is_zero = guard_bits(format) == 1 and any(region.first == 1 for region in self._regions)
        self.x = Signal(input.width)
        self.scale_m: Value = Signal(scale_bits)
        self.scale_k: Value = Signal(K_SHAPE)
        if scale is not None:  # a constant k is in the window
            self.scale_m, self.scale_k = Const(scale.M, scale_bits), Const(0, K_SHAPE)
        self.code = Signal(format.bits, reset_less=True)
        self.saturated = Signal(reset_less=True)
        self.nan = Signal(reset_less=True)

    @property
    def latency(self) -> int:
        """Cycles from ``x`` to ``code``."""
        return 3 if self._window.distance is None else 4

    def elaborate(self, platform: object) -> Module:
        m = Module()
        product = self._multiply_float(m) if self._input.is_float else self._multiply_fixed(m)
        self._select(m, self._compare(m, self._align(m, product)))
        return m

    def _register(self, m: Module, value: Value, name: str) -> Signal:
        register = Signal.like(value, name=name, reset_less=True)
        m.d.sync += register.eq(value)
        return register

    def _name(self, m: Module, value: Value, name: str) -> Signal:
        """``value`` as a signal: Amaranth builds an expression anew wherever it is used, and a signal once."""
        named = Signal.like(value, name=name)
        m.d.comb += named.eq(value)
        return named

    def _multiply_fixed(self, m: Module) -> _Product:
        product = Signal(signed(self._window.product_bits))
        # both signed, M widened by a zero
        m.d.comb += product.eq(self.x.as_signed() * Cat(self.scale_m, Const(0, 1)).as_signed())
        distance = self._distance(m, Const(0, 1))[0] if self._window.distance is not None else Const(0, 1)
        lost: Value | None = None
        if self._decisive_bits is not None:
            lost = self._register(m, self.x[: self._decisive_bits].any(), "lost")
        return _Product(
            product=self._register(m, product, "product"),
            distance=self._register(m, distance, "distance"),
            negative=self._register(m, self.x[-1], "product_negative"),
            too_large=Const(0, 1),
            nan=Const(0, 1),
            lost=lost,
        )

    def _multiply_float(self, m: Module) -> _Product:
        fraction = self.x[: self._input.fraction_bits]
        biased = self.x[self._input.fraction_bits : -1]
        special = self._name(m, biased.all(), "special")
        nan = self._name(m, special & fraction.any(), "is_nan")
        assert self._window.distance is not None
        constant, from_k = self._window.distance
        if not from_k and constant - 1 > self._window.width and not self._only_zero_is_zero:
            # Nothing is left of subnormals, so nobody will see that they have no hidden bit and another exponent.
            hidden, exponent = Const(1, 1), biased
        else:
            hidden = self._name(m, biased.any(), "hidden")
            exponent = self._name(m, Mux(hidden, biased, 1), "exponent")
        product = Signal(unsigned(self._window.product_bits))
        m.d.comb += product.eq(Cat(fraction, hidden) * self.scale_m)
        distance, left = self._distance(m, exponent)
        # Left of the window even the smallest normal number saturates. A subnormal that gets there does so, or is 0,
        # with distance 0 as well.
        too_large = (left & hidden | special) & ~nan
        return _Product(
            product=self._register(m, product, "product"),
            distance=self._register(m, distance | nan.replicate(len(distance)), "distance"),
            negative=self._register(m, self.x[-1] & ~nan, "product_negative"),  # NaN becomes the one zero code
            too_large=self._register(m, too_large, "too_large"),
            nan=self._register(m, nan, "product_nan"),
            lost=None,
        )

    @property
    def _decisive_bits(self) -> int | None:
        """How many of x's low bits tell whether the product's bits below the window are all 0; None if x does not.

        With a constant ``M = odd * 2**z`` the low n bits of ``x * M`` are 0 if and only if the low n - z bits of x are.
        """
        if self._scale is None or self._input.is_float:
            return None
        zeros = (self._scale.M & -self._scale.M).bit_length() - 1
        return min(max(self._window.lowest - zeros, 0), self._input.width)

    def _distance(self, m: Module, exponent: Value) -> tuple[Value, Value]:
        """(shift still to do: 0 to the width, or all ones where nothing is left; whether it would be negative)."""
        assert self._window.distance is not None
        constant, from_k = self._window.distance
        bits = len(Signal(range(self._window.width + 1)))
        if from_k:
            # |constant| + |k| + exponent < 2**11: k has 9 bits, the exponent 8, the constant as many as both
            wanted = Signal(signed(12))
            m.d.comb += wanted.eq(constant + self.scale_k - exponent)
            negative = wanted[-1]
            nothing = ~negative & at_least(wanted[:-1], self._window.width + 1)
            low = wanted[:bits]
        else:
            # of the exponent alone: comparisons with constants, and the low bits of a difference
            negative = self._name(m, at_least(exponent, constant + 1), "distance_negative")
            nothing = self._name(m, ~at_least(exponent, constant - self._window.width), "nothing_left")
            low = subtract_from(constant, exponent, bits)
        return low & (~negative).replicate(bits) | nothing.replicate(bits), negative

    def _align(self, m: Module, of: _Product) -> _Position:
        window, is_float = self._window, self._input.is_float
        if window.lowest > 0:
            kept, lost = of.product >> window.lowest, of.product[: window.lowest].any()
        else:
            kept, lost = of.product << -window.lowest, Const(0, 1)
        kept = resize(kept, window.width)
        if of.lost is not None:
            lost = of.lost
        if window.distance is not None:
            below = Signal(window.width)
            m.d.comb += below.eq((1 << of.distance) - 1)
            lost = lost | (kept & below).any()
            # resize() forgets the sign, which an arithmetic shift needs
            kept = resize((kept if is_float else kept.as_signed()) >> of.distance, window.width)
        if not is_float:
            kept = kept ^ of.negative.replicate(len(kept))
        kept = self._name(m, kept, "kept")
        magnitude = resize(kept, window.bits)
        too_large = of.too_large | kept[window.bits :].any()
        exact = ~lost | of.nan if self._only_zero_is_zero else ~lost
        position = _Position(magnitude, exact, of.negative, too_large, of.nan)
        if window.distance is None:
            return position
        registered = (self._register(m, value, f"aligned_{name}") for name, value in position._asdict().items())
        return _Position(*registered)

    def _compare(self, m: Module, of: _Position) -> _Place:
        is_float, kind = self._input.is_float, self._format.kind
        too_large = self._name(m, of.too_large, "compared_too_large")
        tie = of.negative & of.exact  # a one's complement that is one too low
        if self._decisive_bits == self._input.width:
            tie = Const(0, 1)  # only 0 is exact, and it is not negative
        tie = self._name(m, tie, "tie")
        carry: Value
        if kind == "twos-complement":
            carry = Const(1, 1) if is_float else ~tie
        elif is_float == (kind == "sign-magnitude"):
            carry = Const(0, 1)
        else:
            carry = tie
        base, under = of.magnitude, Const(0, 1)
        if kind != "sign-magnitude":
            base = Cat(of.magnitude ^ of.negative.replicate(len(of.magnitude)), of.negative).as_signed()
            under = too_large & of.negative
            too_large = too_large & ~of.negative
        guard = guard_bits(self._format)
        if guard:
            # With a carry nothing was truncated, the sticky bit is 0, and the carry has to pass it: 1 + 1.
            base = _same_sign(Cat(~of.exact | carry, base), base)

        doubled = self._name(m, _same_sign(Cat(carry, base), base), "doubled")

        def reaches(first: int) -> Value:
            # base + carry >= first, as one comparison with a constant
            return at_least(doubled, 2 * first - 1) | too_large

        flags = []
        for number, region in enumerate(self._regions[1:]):
            assert region.first is not None
            flags.append(self._register(m, reaches(region.first) & ~under, f"reaches{number}"))
        minus: Value = Const(0, 1)
        if kind == "sign-magnitude" and self._format.last_index() > 0:  # else 0 is all there is, and has no sign
            nonzero = reaches(1 << (self._format.shifts[0] + guard))
            minus = self._register(m, of.negative & nonzero, "minus")
        return _Place(
            base=self._register(m, base, "base"),
            carry=carry if isinstance(carry, Const) else self._register(m, carry, "carry"),
            reaches=flags,
            minus=minus,
            nan=of.nan if isinstance(of.nan, Const) else self._register(m, of.nan, "compared_nan"),
        )

    def _select(self, m: Module, of: _Place) -> None:
        """Last stage: the region's ``(D + addend) >> shift``, as slice plus constant plus what the low bits carry."""
        sign_magnitude = self._format.kind == "sign-magnitude"
        field = self._format.code_field_bits if sign_magnitude else self._format.bits
        slices: list[Value] = []
        addends: list[Value] = []
        carries: list[Value] = []
        for region in self._regions:
            if region.constant is not None:
                slices.append(Const(0, field))
                addends.append(Const(region.constant, field))
                carries.append(Const(0, 1))
                continue
            high, low = divmod(region.addend, 1 << region.shift)
            slices.append(resize(of.base, region.shift + field)[region.shift :])
            addends.append(Const(high % (1 << field), field))
            # low bits of base + carry + low >= 2**shift
            low_bits = Cat(of.carry, of.base[: region.shift])
            carries.append(at_least(low_bits, 2 * ((1 << region.shift) - low) - 1))
        # three numbers in one adder: the carry enters through an extra low bit
        carry, addend = choose(carries, of.reaches), choose(addends, of.reaches)
        total = Cat(Const(1, 1), choose(slices, of.reaches)) + Cat(carry, addend)
        code = total[1 : field + 1]
        saturated = choose([Const(int(region.saturated), 1) for region in self._regions], of.reaches)
        m.d.sync += [
            self.code.eq(Cat(code, of.minus) if sign_magnitude else code),
            self.saturated.eq(saturated),
            self.nan.eq(of.nan),
        ]


def _same_sign(value: Value, like: Value) -> Value:
    return value.as_signed() if like.shape().signed else value
