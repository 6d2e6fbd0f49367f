"""Second part of a lane: from the product to where the value lies, as ``D = base + carry``."""

from typing import NamedTuple

from amaranth.hdl import Cat, Const, Mux, Value

from qse_hw.rtl_gen.lane.geometry import Geometry
from qse_hw.rtl_gen.lane.piecewise import guard_bits
from qse_hw.rtl_gen.lane.product import Product
from qse_hw.rtl_gen.logic.select import greater_equal, resize, same_sign
from qse_hw.rtl_gen.logic.stages import Stages

_FINE = 2
"""log2 of what the first step of a shift counts in."""


class _Shifting(NamedTuple):
    """``kept``, still to be shifted right by ``distance``, if any; ``lost``: bits that were set have gone already."""

    kept: Value
    lost: Value
    distance: Value | None
    negative: Value
    too_large: Value
    nan: Value


class _Truncated(NamedTuple):
    """``kept``: ``floor(P * 2**-shift)``, P the product with or without its sign; ``exact``: nothing was truncated;
    ``too_large``: known to saturate, whatever ``kept`` is, unless ``nan``."""

    kept: Value
    exact: Value
    negative: Value
    too_large: Value
    nan: Value


class Position(NamedTuple):
    """D as ``base + carry``, or, where x saturates, anything beyond all thresholds; ``negative``: x is."""

    base: Value
    carry: Value
    negative: Value
    nan: Value


def align(stages: Stages, geometry: Geometry, of: Product) -> Position:
    """Where the value lies, cuts ``shift``, ``align`` and ``fold`` later.

    A sign is not removed by a negation but by a one's complement, ``|P| = ~P + 1``: after truncation that differs from
    ``T = floor(|P| * 2**-shift)`` only if nothing was truncated, and then by one, which becomes the carry of the one
    adder that follows.
    """
    if geometry.preshift is not None:
        cut = geometry.preshift.cut
        exact = Const(0, 1) if geometry.never_exact else ~of.product[:cut].any()
        position = _Truncated(of.product[cut:], exact, of.negative, of.too_large, of.nan)
    else:
        shifting = _window(geometry, of)
        if shifting.distance is not None:
            shifting = _shift_right(stages, shifting)
        exact = ~shifting.lost | shifting.nan if geometry.only_zero_is_zero else ~shifting.lost
        position = _Truncated(shifting.kept, exact, shifting.negative, shifting.too_large, shifting.nan)
        position = stages.step("align", position)
    return stages.step("fold", _fold(geometry, position))


def _window(geometry: Geometry, of: Product) -> _Shifting:
    """The product cut to its window."""
    window = geometry.window
    if window.lowest > 0:
        kept, lost = of.product >> window.lowest, of.product[: window.lowest].any()
    else:
        kept, lost = of.product << -window.lowest, Const(0, 1)
    if of.lost is not None:
        lost = of.lost
    if geometry.never_exact:
        lost = Const(1, 1)
    kept = same_sign(resize(kept, window.width), of.product)
    return _Shifting(kept, lost, of.distance, of.negative, of.too_large, of.nan)


def _shift_right(stages: Stages, of: _Shifting) -> _Shifting:
    """``kept`` shifted by ``distance``, by multiples of ``1 << _FINE`` first, by the rest after the cut ``shift``."""
    assert of.distance is not None
    kept, distance = stages.name(of.kept, "window"), of.distance
    step = 1 << _FINE
    coarse, fine = distance[_FINE:], distance[:_FINE]
    # of each group of bits: whether one is set, and whether it goes
    groups = [kept[n : n + step].any() & greater_equal(coarse, n // step + 1) for n in range(0, len(kept), step)]
    shifted = same_sign(resize(kept >> (coarse << _FINE), len(kept)), kept)
    half = stages.step("shift", of._replace(kept=shifted, lost=of.lost | Cat(groups).any(), distance=fine))
    assert half.distance is not None
    lost = Cat(half.kept[n] & greater_equal(half.distance, n + 1) for n in range(min(step - 1, len(kept)))).any()
    shifted = same_sign(resize(half.kept >> half.distance, len(kept)), kept)
    return half._replace(kept=shifted, lost=half.lost | lost)


def _fold(geometry: Geometry, of: _Truncated) -> Position:
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
        base = same_sign(Cat(~of.exact | carry, base), base)
    return Position(base, carry, of.negative, of.nan)
