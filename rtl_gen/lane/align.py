"""Second part of a lane: from the product to the value's position ``D = base + carry``."""

from typing import NamedTuple

from amaranth.hdl import Cat, Const, Mux, Value

from qse_hw.rtl_gen.lane.geometry import Geometry
from qse_hw.rtl_gen.lane.piecewise import guard_bits
from qse_hw.rtl_gen.lane.product import Product
from qse_hw.rtl_gen.logic.select import greater_equal, resize, same_sign
from qse_hw.rtl_gen.logic.stages import Stages

_FINE = 2
"""log2 of the unit of a shift's first step, which shifts by 0, 4, 8 ...; the second shifts by 0 to 3."""


class _Shifting(NamedTuple):
    """A product while it is shifted: ``kept`` is still to be shifted right by ``distance``, unless that is None;
    ``lost``: a set bit has been shifted out.
    """

    kept: Value
    lost: Value
    distance: Value | None
    negative: Value
    too_large: Value
    nan: Value


class _Truncated(NamedTuple):
    """The shifted product: ``kept = floor(P * 2**-shift)``, P signed for fixed-point inputs, else the magnitude.

    ``exact``: no set bit was shifted out; ``too_large``: the value saturates whatever ``kept`` is, unless it is
    ``nan``.
    """

    kept: Value
    exact: Value
    negative: Value
    too_large: Value
    nan: Value


class Position(NamedTuple):
    """D as ``base + carry``; if x saturates, any number beyond all thresholds. ``negative``: x is negative."""

    base: Value
    carry: Value
    negative: Value
    nan: Value


def align(stages: Stages, geometry: Geometry, of: Product) -> Position:
    """The value's position, after the steps ``shift``, ``align`` and ``fold``.

    A negative P is not negated but inverted: ``|P| = ~P + 1``. After truncation ``~P`` is
    ``T = floor(|P| * 2**-shift)`` unless no set bit was truncated. Then it is 1 too low, and that 1 enters as the
    carry of the adder that follows.
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
    """``kept`` shifted right by ``distance``: by multiples of ``1 << _FINE`` in step ``shift``, then by the rest."""
    assert of.distance is not None
    kept, distance = stages.name(of.kept, "window"), of.distance
    step = 1 << _FINE
    coarse, fine = distance[_FINE:], distance[:_FINE]
    # per group of bits: whether it has a set bit and is shifted out
    groups = [kept[n : n + step].any() & greater_equal(coarse, n // step + 1) for n in range(0, len(kept), step)]
    shifted = same_sign(resize(kept >> (coarse << _FINE), len(kept)), kept)
    half = stages.step("shift", of._replace(kept=shifted, lost=of.lost | Cat(groups).any(), distance=fine))
    assert half.distance is not None
    lost = Cat(half.kept[n] & greater_equal(half.distance, n + 1) for n in range(min(step - 1, len(kept)))).any()
    shifted = same_sign(resize(half.kept >> half.distance, len(kept)), kept)
    return half._replace(kept=shifted, lost=half.lost | lost)


def _fold(geometry: Geometry, of: _Truncated) -> Position:
    is_float, kind, bits = geometry.input.is_float, geometry.format.kind, geometry.window.bits
    kept = of.kept.as_unsigned()  # its sign, if it has one, is `negative`
    if geometry.sign_magnitude or is_float:
        if geometry.sign_magnitude and not is_float:
            kept = kept ^ of.negative.replicate(len(kept))
        # the top bit says that T does not fit into the bits below
        base = Cat(resize(kept, bits), of.too_large & ~of.nan | kept[bits:].any())
        if not geometry.sign_magnitude:
            base = Cat(base ^ of.negative.replicate(bits + 1), of.negative).as_signed()
    else:
        beyond = Mux(of.negative, kept[bits:].all(), kept[bits:].any())
        base = Cat(resize(of.kept, bits), beyond, of.negative).as_signed()
    # whether the inverted product is one too low; if only 0 is exact, never, as 0 is not negative
    tie = Const(0, 1) if geometry.never_exact else of.negative & of.exact
    carry: Value
    if kind == "twos-complement":
        carry = Const(1, 1) if is_float or isinstance(tie, Const) else ~tie
    elif is_float == geometry.sign_magnitude:
        carry = Const(0, 1)
    else:
        carry = tie
    if guard_bits(geometry.format):
        # With a carry the value is exact and its sticky bit 0; the bit is set so that adding the carry gives 1 + 1
        # and reaches the bits above.
        base = same_sign(Cat(~of.exact | carry, base), base)
    return Position(base, carry, of.negative, of.nan)
