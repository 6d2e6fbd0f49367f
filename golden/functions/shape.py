"""How coefficients are rounded, and where segments may begin."""

from dataclasses import dataclass, replace
from typing import Literal

Borders = Literal["auto", "free", "power-of-two", "equal"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The rounding of coefficients and the grid of borders that a search tries.

    Attributes:
        borders: not ``auto``; ``free``: at each multiple of the grid; ``power-of-two``: segments are aligned and 2**n
            long; ``equal``: all of one length.
        grid: log2 of the least length of a segment.
        degree: 1 or 2.
        slope_bits: fraction bits of c1.
        local, offset_bits, sum_bits, dropped, truncated: of
            :class:`qse_hw.golden.functions.polynomial.PiecewisePolynomial`.
        mirrored: of :class:`qse_hw.golden.functions.reduction.Reduction`; c1 is odd or 0 then, so that the hardware can
            negate it by inverting bits.
        rounds: of :class:`qse_hw.golden.functions.unit.FunctionUnit`.
    """

    borders: Borders
    grid: int
    degree: int
    slope_bits: int
    local: bool
    sum_bits: int
    dropped: int
    truncated: int = 0
    offset_bits: int | None = None
    mirrored: bool = False
    rounds: bool = True

    def on_grid(self, grid: int) -> "Shape":
        """This shape with another grid; with equal segments, an offset has as many bits as the grid."""
        aligned = self.borders == "equal" and not self.local and not self.mirrored
        return replace(self, grid=grid, offset_bits=grid if aligned else self.offset_bits)

    def coarse(self, length: int) -> int:
        """The low bits of t that d omits in a segment of that length."""
        return 0 if self.offset_bits is None else max(0, (length - 1).bit_length() - self.offset_bits)
