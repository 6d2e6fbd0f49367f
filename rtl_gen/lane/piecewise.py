"""A format as piecewise linear functions: regions of positions for encoders, intervals of codes for decoders.

An encoder has a value's position as an integer ``D``: it compares D with a few thresholds, adds one constant and picks
a bit slice, the code. A decoder compares the code, shifts it and adds one constant.
"""

from dataclasses import dataclass

from qse_hw.golden.formats.scalar import saturate
from qse_hw.golden.formats.segmented import SegmentedFormat


@dataclass(frozen=True, kw_only=True)
class Region:
    """From ``D = first`` (None: minus infinity) to the next region: ``code = (D + addend) >> shift``, or ``constant``.

    Codes are without the sign bit of sign-magnitude formats.
    """

    first: int | None
    shift: int = 0
    addend: int = 0
    constant: int | None = None
    saturated: bool = False


def guard_bits(format: SegmentedFormat) -> int:
    """1 if the format needs a sticky bit below T (a segment with ``exact_end``), else 0."""
    return int(any(segment.exact_end for segment in format.segments))


def regions(format: SegmentedFormat) -> tuple[Region, ...]:
    """The regions of ``format`` in ascending order of D.

    D is T of :mod:`qse_hw.golden.formats.scalar`, but without the zero point of offset formats, which the constants
    include. If :func:`guard_bits` is 1, the sticky bit follows below T. For two's complement, D is
    ``floor(2**(F+1) * u) + 1``, less 1 where u is negative and nothing was truncated: then ``D >> 1`` rounds half away
    from zero.
    """
    if format.kind == "twos-complement":
        return _twos_complement(format)
    guard = guard_bits(format)
    zero = 2 * format.zero_point
    table: list[Region] = []

    def add(first: int | None, **what: int | bool) -> None:
        table.append(Region(first=None if first is None else first - (zero << guard), **what))  # type: ignore[arg-type]

    first: int | None = None  # where the next segment's formula takes over, guard bit included
    if not format.signed:
        add(None, constant=saturate(format, negative=True).code, saturated=True)
        first = -(1 << format.shifts[0]) << guard
    for number, (segment, e, start, end) in enumerate(
        zip(format.segments, format.shifts, format.starts, format.ends, strict=True)
    ):
        formula_from = (2 * start - (1 << e)) << guard  # below, (T + 2**e - 2*start) is negative
        if number and first is not None and first < formula_from:
            add(first, constant=segment.first_code)
            first = formula_from
        addend = (1 << e) - 2 * start + (segment.first_code << (e + 1)) + zero
        add(first, shift=e + 1 + guard, addend=addend << guard)
        first = (2 * end - (1 << e)) << guard
        if segment.exact_end:
            first = (2 * (end - (1 << e)) << guard) + 1
        elif number + 1 < len(format.segments) and not guard:
            following = format.segments[number + 1]
            if following.first_code == segment.first_code + segment.codes:
                # Both formulas agree around the border: the threshold among them that takes the fewest bits to compare.
                reach = 1 << min(e, format.shifts[number + 1])
                first = _most_trailing_zeros(2 * end - reach, 2 * end + reach, zero)
    add(first, constant=saturate(format, negative=False).code, saturated=True)
    return tuple(table)


def _twos_complement(format: SegmentedFormat) -> tuple[Region, ...]:
    high = 1 << (format.bits - 1)
    low = -high + int(format.narrow_range)
    return (
        Region(first=None, constant=low % (1 << format.bits), saturated=True),
        Region(first=2 * low, shift=1),
        Region(first=2 * high, constant=high - 1, saturated=True),
    )


def _most_trailing_zeros(low: int, high: int, zero: int) -> int:
    """The n in low..high with the most trailing zero bits in ``n - zero``."""
    return max(range(low, high + 1), key=lambda n: ((n - zero) & -(n - zero)) or 1 << 32)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Codes from ``first`` on decode to ``(code << shift) + offset`` fine steps; if not ``assigned``, they have no
    value.
    """

    first: int
    shift: int = 0
    offset: int = 0
    assigned: bool = True


def intervals(format: SegmentedFormat) -> tuple[Interval, ...]:
    """The intervals of the code field (without the sign bit of sign-magnitude formats), ascending, from code 0."""
    formulas = [
        (e, start - (segment.first_code << e) - format.zero_point)
        for segment, e, start in zip(format.segments, format.shifts, format.starts, strict=True)
    ]
    table: list[Interval] = []
    for code in range(1 << format.code_field_bits):
        value = format.decoded.get(code)
        if value is None:
            if not table or table[-1].assigned:
                table.append(Interval(first=code, assigned=False))
            continue
        if table and table[-1].assigned and (code << table[-1].shift) + table[-1].offset == value:
            continue
        shift, offset = next((f for f in formulas if (code << f[0]) + f[1] == value), (0, value - code))
        table.append(Interval(first=code, shift=shift, offset=offset))
    return tuple(table)
