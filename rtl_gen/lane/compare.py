"""Third part of a lane: the region that the value lies in."""

from typing import NamedTuple

from amaranth.hdl import Cat, Const, Value

from qse_hw.rtl_gen.lane.align import Position
from qse_hw.rtl_gen.lane.geometry import Geometry
from qse_hw.rtl_gen.lane.regions import LaneRegion
from qse_hw.rtl_gen.logic.select import greater_equal, rank, same_sign
from qse_hw.rtl_gen.logic.stages import Stages

_PART = 4  # bits compared at a time: the inputs of a look-up table


class _Parts(NamedTuple):
    """Partial comparisons, which :func:`_joined` combines.

    ``reaches``: of D with each threshold, in one list. ``nonzero``: of D with the least D whose code is not 0; it
    counts only if D is in the lowest region.
    """

    reaches: list[Value]
    nonzero: list[Value]
    carries: list[Value]
    base: Value
    negative: Value
    nan: Value


class _Flags(NamedTuple):
    """``reaches``: for each region but the lowest, whether D is in it or in a higher one."""

    reaches: list[Value]
    nonzero: Value
    carries: list[Value]
    base: Value
    negative: Value
    nan: Value


class RegionSelect(NamedTuple):
    """``region``: the number of D's region; ``minus``: the code gets a sign; ``carries``: per region, the carry out of
    the bits of D below its shift.
    """

    region: Value
    minus: Value
    carries: list[Value]
    base: Value
    nan: Value


def compare(
    stages: Stages, geometry: Geometry, regions: list[LaneRegion], of: Position, least_nonzero: int | None
) -> RegionSelect:
    """The region, after the steps ``compare``, ``place`` and ``number``.

    ``least_nonzero``: the least D whose code is not 0; None if every code is 0, so that none has a sign.
    """
    thresholds = [_parts(*_terms(stages, of, region.first)) for region in regions[1:]]
    signed = geometry.sign_magnitude and least_nonzero is not None
    nonzero: list[Value] = []
    if signed:
        position, least = _terms(stages, of, least_nonzero)
        border = regions[1].first
        if isinstance(border, int):  # the comparison counts only below the border
            position = position[: (2 * border).bit_length()]
        nonzero = _parts(position, least)
    carries = [region.carry(of.base, of.carry) for region in regions]
    parts = [part for threshold in thresholds for part in threshold]
    compared = stages.step("compare", _Parts(parts, nonzero, carries, of.base, of.negative, of.nan))
    parts, reaches = compared.reaches, []
    for threshold in thresholds:
        reaches.append(_joined(parts[: len(threshold)]))
        parts = parts[len(threshold) :]
    nonzero = _joined(compared.nonzero) if signed else Const(0, 1)
    flags = stages.step(
        "place", _Flags(reaches, nonzero, compared.carries, compared.base, compared.negative, compared.nan)
    )
    minus = flags.negative & (flags.nonzero | flags.reaches[0]) if signed else Const(0, 1)
    return stages.step("number", RegionSelect(rank(flags.reaches), minus, flags.carries, flags.base, flags.nan))


def _terms(stages: Stages, of: Position, first: int | Value) -> tuple[Value, int | Value]:
    """Operands ``(a, b)``: ``a >= b`` is ``base + carry >= first``, without an adder."""
    if isinstance(of.carry, Const):
        return of.base, first - of.carry.value
    doubled = stages.name(same_sign(Cat(of.carry, of.base), of.base), "doubled")
    return doubled, Cat(Const(1, 1), first - 1).as_signed() if isinstance(first, Value) else 2 * first - 1


def _parts(position: Value, constant: int | Value) -> list[Value]:
    """Partial comparisons that :func:`_joined` combines to ``position >= constant``.

    For each part of the bits, from the top: part > bound and part >= bound; for the lowest only part >= bound.
    """
    if isinstance(constant, Value):
        return [position >= constant]
    least = -(1 << (len(position) - 1)) if position.shape().signed else 0
    if not least < constant < least + (1 << len(position)):
        return [Const(int(constant <= least), 1)]
    # bits below the constant's lowest set bit do not matter; for the constant 0 only the sign does
    lowest = (constant & -constant).bit_length() - 1 if constant else len(position) - 1
    comparisons: list[Value] = []
    high = len(position)
    while high - lowest > _PART:
        part, bound = position[high - _PART : high], constant >> (high - _PART)
        if high == len(position):
            part = same_sign(part, position)
        else:
            bound &= (1 << _PART) - 1
        comparisons += [greater_equal(part, bound + 1), greater_equal(part, bound)]
        high -= _PART
    bound = constant >> lowest
    part = position[lowest:high]
    if high == len(position):
        part = same_sign(part, position)
    else:
        bound &= (1 << (high - lowest)) - 1
    return [*comparisons, greater_equal(part, bound)]


def _joined(parts: list[Value]) -> Value:
    result = parts[-1]
    for greater, equal in zip(parts[-3::-2], parts[-2::-2], strict=True):
        result = greater | equal & result
    return result
