"""Formats that one encoder can switch between at run time: equal in kind, bits and the segments' steps.

Kind and steps fix the regions and their shifts, the hardware. Thresholds and addends follow from the segments' numbers
of codes, their first codes and the zero point: registers that software sets.
"""

from dataclasses import dataclass
from functools import cached_property

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.segmented import MAX_REACH, Kind, SegmentedFormat

MAX_SEGMENTS = 16


@dataclass(frozen=True, kw_only=True)
class FamilyRegion:
    """The part of a region (:class:`qse_hw.rtl_gen.lane.piecewise.Region`) that all members of a family share.

    Attributes:
        segment: the number of the segment that the region's codes belong to.
        border: its threshold is ``first = 2 * B - border``, B the segment's start (of the last region: its end) in fine
            steps from the value 0.
        shift: of ``code = (D + addend) >> shift``; 0 if ``constant``.
        low: ``addend mod 2**shift`` if all members have the same, else None.
        constant: whether the region has one code.
        saturated: whether its values saturate.
    """

    segment: int
    border: int
    shift: int = 0
    low: int | None = 0
    constant: bool = False
    saturated: bool = False


@dataclass(frozen=True, kw_only=True)
class FormatFamily:
    """Formats that differ only in the segments' numbers of codes, their first codes and the zero point.

    Args:
        kind: sign-magnitude or offset.
        bits: of a code.
        log2_steps: of each segment, in units of s.

    Raises:
        InputError: if the family has no hardware, or no legal member.
    """

    kind: Kind
    bits: int
    log2_steps: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.kind == "twos-complement":
            raise InputError("Format set at run time must be sign-magnitude or offset, not twos-complement")
        if len(self.log2_steps) > MAX_SEGMENTS:
            raise InputError(f"Segments set at run time must be at most {MAX_SEGMENTS}, not {len(self.log2_steps)}")

    @classmethod
    def of(cls, format: SegmentedFormat) -> "FormatFamily":
        """The family of ``format``; its aliases do not matter."""
        if not isinstance(format, SegmentedFormat):
            raise TypeError(f"Format must be a SegmentedFormat, not {format!r}")
        if any(segment.exact_end for segment in format.segments):
            raise InputError(
                "Format set at run time must round at the borders between segments, and one of "
                f"{format.name} keeps all above its last code out (exact_end)"
            )
        family = cls(kind=format.kind, bits=format.bits, log2_steps=tuple(s.log2_step for s in format.segments))
        family.check_codes(format)
        return family

    def check_codes(self, format: SegmentedFormat) -> None:
        """InputError if the format has fewer codes than a sign needs."""
        if sum(segment.codes for segment in format.segments) < self.least_codes:
            raise InputError(f"Format {format.name} set at run time must have at least {self.least_codes} codes")

    @property
    def least_codes(self) -> int:
        """Fewest codes of a member, without sign bit; with the code 0 alone nothing could have a sign."""
        return max(len(self.log2_steps), 1 if self.kind == "offset" else 2)

    @property
    def field(self) -> int:
        """Bits of a code without the sign bit."""
        return self.bits if self.kind == "offset" else self.bits - 1

    @cached_property
    def shifts(self) -> tuple[int, ...]:
        """log2 of each segment's step in fine steps."""
        return tuple(step - min(self.log2_steps) for step in self.log2_steps)

    @cached_property
    def regions(self) -> tuple[FamilyRegion, ...]:
        """In ascending order of D. The first has no threshold."""
        table: list[FamilyRegion] = []
        last = len(self.shifts) - 1
        if self.kind == "offset":
            table.append(FamilyRegion(segment=0, border=0, constant=True, saturated=True))
        for number, e in enumerate(self.shifts):
            before = self.shifts[number - 1] if number else e
            if before > e:  # half a step of the coarse segment before reaches into this one
                table.append(FamilyRegion(segment=number, border=1 << before, constant=True))
            # every start so far is a multiple of the finest step so far
            fixed = e == 0 or (self.kind != "offset" and min((e, *self.shifts[:number])) == e)
            table.append(
                FamilyRegion(
                    segment=number, border=1 << min(before, e), shift=e + 1, low=1 << e if fixed else None
                )
            )
        table.append(FamilyRegion(segment=last, border=1 << self.shifts[last], constant=True, saturated=True))
        return tuple(table)

    def largest_end(self, segment: int) -> int:
        """The largest end that ``segment`` can have in a member, in fine steps from the axis' start."""
        here, later = self.shifts[: segment + 1], self.shifts[segment + 1 :]
        spare = (1 << self.field) - len(self.shifts)
        by_codes = sum(1 << e for e in here) + (spare << max(here))
        return min(by_codes, MAX_REACH - sum(1 << e for e in later))

    @cached_property
    def largest_zero_point(self) -> int:
        """The largest zero point of a member."""
        if self.kind != "offset":
            return 0
        return self.largest_end(max(n for n, e in enumerate(self.shifts) if e == 0)) - 1

    @cached_property
    def thresholds(self) -> tuple[int, int]:
        """(lowest, highest) value of any ``first`` of any member."""
        lowest = -(1 << self.shifts[0]) - 2 * self.largest_zero_point if self.kind == "offset" else 0
        return lowest, 2 * self.largest_end(len(self.shifts) - 1) - (1 << self.shifts[-1])

    @cached_property
    def threshold_shape(self) -> Shape:
        """Signed, holds every threshold."""
        lowest, highest = self.thresholds
        return signed(max((~lowest).bit_length(), highest.bit_length()) + 1)

    @cached_property
    def layout(self) -> data.StructLayout:
        """``first{n}``, from region 1 on; of constant regions ``constant{n}``; of others ``high{n}``, ``low{n}``.

        The addend is ``(high << shift) + low``, ``high`` modulo ``2**field``. ``low`` is absent if
        :attr:`FamilyRegion.low` is not None.
        """
        members: dict[str, Shape] = {}
        for n, region in enumerate(self.regions):
            if n:
                members[f"first{n}"] = self.threshold_shape
            members[f"constant{n}" if region.constant else f"high{n}"] = unsigned(self.field)
            if region.low is None:
                members[f"low{n}"] = unsigned(region.shift)
        return data.StructLayout(members)

    def constants(self, format: SegmentedFormat) -> dict[str, int]:
        """The members of :attr:`layout` for ``format``.

        Raises:
            InputError: if the format is not of this family.
        """
        if FormatFamily.of(format) != self:
            raise InputError(f"Format {format.name} must be of the family {self}")
        values: dict[str, int] = {}
        for n, region in enumerate(self.regions):
            segment = format.segments[region.segment]
            beyond = n == len(self.regions) - 1
            base = (format.ends if beyond else format.starts)[region.segment] - format.zero_point
            if n:
                values[f"first{n}"] = 2 * base - region.border
            if region.constant:
                values[f"constant{n}"] = segment.first_code + (segment.codes - 1 if beyond else 0)
                continue
            high, low = divmod((1 << (region.shift - 1)) - 2 * base, 1 << region.shift)
            values[f"high{n}"] = (high + segment.first_code) % (1 << self.field)
            assert region.low in (None, low)
            if region.low is None:
                values[f"low{n}"] = low
        return values
