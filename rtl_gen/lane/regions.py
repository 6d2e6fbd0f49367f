"""The regions of a lane: what :mod:`qse_hw.rtl_gen.lane.piecewise` computes as constants, or the same from ports."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Value

from qse_hw.rtl_gen.lane.geometry import Geometry
from qse_hw.rtl_gen.lane.piecewise import regions
from qse_hw.rtl_gen.logic.select import greater_equal, resize


@dataclass(frozen=True, kw_only=True)
class LaneRegion:
    """From ``D = first`` on: ``code = (D >> shift) + addend + carry`` if ``formula``, else ``code = addend``.

    Attributes:
        first: None for the lowest region.
        low: the addend's bits below ``shift``; added to D's bits there, they give the carry.
        addend: the addend's other bits, or the region's one code; as wide as the code.
    """

    first: int | Value | None
    formula: bool
    shift: int
    low: int | Value
    addend: Value
    saturated: bool

    def carry(self, base: Value, carry: Value) -> Value:
        """The carry out of the bits of ``base + carry + low`` below ``shift``."""
        if not self.formula:
            return Const(0, 1)
        if isinstance(self.low, Value):
            total = resize(base, self.shift) + self.low + carry
            return total[self.shift]
        # low bits of base + carry + low >= 2**shift
        return greater_equal(Cat(carry, base[: self.shift]), 2 * ((1 << self.shift) - self.low) - 1)

    def slice(self, base: Value, field: int) -> Value:
        """``D >> shift`` without the carry, modulo ``2**field``."""
        return resize(base, self.shift + field)[self.shift :] if self.formula else Const(0, field)


def lane_regions(geometry: Geometry, constants: Any = None) -> list[LaneRegion]:
    """The regions of a lane, ascending; ``constants``: the ports of a run-time format, laid out by its family."""
    field = geometry.field
    if geometry.runtime_format:
        return [
            LaneRegion(
                first=constants[f"first{n}"] if n else None,
                formula=not region.constant,
                shift=region.shift,
                low=(constants[f"low{n}"] if region.low is None else region.low) if not region.constant else 0,
                addend=constants[f"constant{n}" if region.constant else f"high{n}"],
                saturated=region.saturated,
            )
            for n, region in enumerate(geometry.family.regions)
        ]
    table = []
    for region in regions(geometry.format):
        high, low = divmod(region.addend, 1 << region.shift)
        addend = high if region.constant is None else region.constant
        table.append(
            LaneRegion(
                first=region.first,
                formula=region.constant is None,
                shift=region.shift,
                low=low,
                addend=Const(addend % (1 << field), field),
                saturated=region.saturated,
            )
        )
    return table
