"""Second part of a lane: from the product to where the value lies, as ``D = base + carry``."""

from typing import NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from rtl_gen.decision import guard_bits
from rtl_gen.geometry import Geometry
from rtl_gen.product import Product
from rtl_gen.select import resize
from rtl_gen.stages import Stages


class _Position(NamedTuple):
    """``kept``: ``floor(P * 2**-shift)``, P the product with or without its sign; ``exact``: nothing was truncated;
    ``too_large``: known to saturate, whatever ``kept`` is, unless ``nan``."""

    kept: Value
    exact: Value
    negative: Value
    too_large: Value
    nan: Value


class Place(NamedTuple):
    """D as ``base + carry``, or, where x saturates, anything beyond all thresholds; ``negative``: x is."""

    base: Value
    carry: Value
    negative: Value
    nan: Value


def align(m: Module, stages: Stages, geometry: Geometry, of: Product) -> Place:
    """Where the value lies, cuts ``align`` and ``fold`` later.

    A sign is not removed by a negation but by a one's complement, ``|P| = ~P + 1``: after truncation that differs from
    ``T = floor(|P| * 2**-shift)`` only if nothing was truncated, and then by one, which becomes the carry of the one
    adder that follows.
    """
    if geometry.preshift is not None:
        cut = geometry.preshift.cut
        exact = Const(0, 1) if geometry.never_exact else ~of.product[:cut].any()
        position = _Position(of.product[cut:], exact, of.negative, of.too_large, of.nan)
    else:
        position = stages.cut("align", _shift(m, stages, geometry, of))
    return stages.cut("fold", _fold(geometry, position))


def _shift(m: Module, stages: Stages, geometry: Geometry, of: Product) -> _Position:
    window = geometry.window
    if window.lowest > 0:
        kept, lost = of.product >> window.lowest, of.product[: window.lowest].any()
    else:
        kept, lost = of.product << -window.lowest, Const(0, 1)
    if of.lost is not None:
        lost = of.lost
    if geometry.never_exact:
        lost = Const(1, 1)
    kept = stages.name(_same_sign(resize(kept, window.width), of.product), "window")
    if of.distance is not None:
        below = Signal(window.width)
        m.d.comb += below.eq((1 << of.distance) - 1)
        lost = lost | (kept & below).any()
        kept = _same_sign(resize(kept >> of.distance, window.width), of.product)
    exact = ~lost | of.nan if geometry.only_zero_is_zero else ~lost
    return _Position(kept, exact, of.negative, of.too_large, of.nan)


def _fold(geometry: Geometry, of: _Position) -> Place:
    is_float, kind, bits = geometry.input.is_float, geometry.format.kind, geometry.window.bits
    kept = of.kept.as_unsigned()  # where it has a sign, that is `negative`
    if geometry.sign_magnitude or is_float:
        if geometry.sign_magnitude and not is_float:
            kept = kept ^ of.negative.replicate(len(kept))
        # one bit for all that says that T does not fit into the others
        base = Cat(resize(kept, bits), of.too_large & ~of.nan | kept[bits:].any())
        if not geometry.sign_magnitude:
            base = Cat(base ^ of.negative.replicate(bits + 1), of.negative).as_signed()
    else:
        beyond = Mux(of.negative, kept[bits:].all(), kept[bits:].any())
        base = Cat(resize(of.kept, bits), beyond, of.negative).as_signed()
    # a one's complement that is one too low; if only 0 is exact, it is not negative
    tie = Const(0, 1) if geometry.never_exact else of.negative & of.exact
    carry: Value
    if kind == "twos-complement":
        carry = Const(1, 1) if is_float or isinstance(tie, Const) else ~tie
    elif is_float == geometry.sign_magnitude:
        carry = Const(0, 1)
    else:
        carry = tie
    if guard_bits(geometry.format):
        # With a carry nothing was truncated, the sticky bit is 0, and the carry has to pass it: 1 + 1.
        base = _same_sign(Cat(~of.exact | carry, base), base)
    return Place(base, carry, of.negative, of.nan)


def _same_sign(value: Value, like: Value) -> Value:
    return value.as_signed() if like.shape().signed else value
