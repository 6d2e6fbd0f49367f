"""The meaning of a format, from its definition alone: the numbers that it represents, and the nearest of them.

This module shares nothing with the hardware generator or the golden models. A format is a list of levels, fractions in
units of the scale's step ``s``, each with its code. A number is rounded to the nearest level; on a tie to the one
further from zero (signed formats) or the larger one (offset formats). So between two neighbouring levels there is one
cut, and a code stands for the numbers between two cuts. The outer codes also stand for the numbers beyond the last
cuts, which are half a step from the last level; these numbers saturate. (A segment with ``exact_end`` is the exception:
no number above its last level is rounded to it.)

Inputs are compared by their *keys*: integers in the order of the numbers that they stand for. For fixed point that is
the integer itself, for floats the sign and the other bits of the pattern.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat


@dataclass(frozen=True, kw_only=True)
class Level:
    """A representable number, in units of s, its canonical code, and the segment of the code."""

    value: Fraction
    code: int
    segment: int


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A limit between two codes, in units of s.

    ``belongs``: whether the number at the limit itself belongs to the upper code.
    """

    at: Fraction
    belongs: bool


def levels(format: SegmentedFormat) -> list[Level]:
    """All levels, ascending."""
    axis, start = [], Fraction(0)
    for number, segment in enumerate(format.segments):
        step = Fraction(2) ** segment.log2_step
        axis += [(start + step * n, segment.first_code + n, number) for n in range(segment.codes)]
        start += step * segment.codes
    unsorted = [Level(value=value, code=code, segment=number) for value, code, number in axis]
    sign = 1 << (format.bits - 1)
    if format.kind == "offset":
        zero = format.zero_point * fine_step(format)
        unsorted = [Level(value=level.value - zero, code=level.code, segment=level.segment) for level in unsorted]
    elif format.kind == "sign-magnitude":
        unsorted += [Level(value=-x.value, code=x.code | sign, segment=x.segment) for x in unsorted if x.value]
    else:
        unsorted += [Level(value=-x.value, code=2 * sign - x.code, segment=0) for x in unsorted if x.value]
        if not format.narrow_range:
            unsorted.append(Level(value=-start, code=sign, segment=0))
    return sorted(unsorted, key=lambda level: level.value)


def fine_step(format: SegmentedFormat) -> Fraction:
    """The smallest step, in units of s."""
    return min(Fraction(2) ** segment.log2_step for segment in format.segments)


def zero_code(format: SegmentedFormat) -> int:
    """The code of 0, of -0 and of NaN."""
    return next(level.code for level in levels(format) if level.value == 0)


def cuts(format: SegmentedFormat) -> list[Cut]:
    """The cuts below and above every level, one more than levels; numbers beyond the outer cuts saturate."""
    ascending = levels(format)
    last = [Fraction(2) ** format.segments[n].log2_step / 2 for n in (ascending[0].segment, ascending[-1].segment)]
    places = [ascending[0].value - last[0], *((a.value + b.value) / 2 for a, b in pairwise(ascending))]
    made = [_cut(at, format) for at in [*places, ascending[-1].value + last[1]]]
    for n, (low, high) in enumerate(pairwise(ascending), start=1):
        inner, outer = (low, high) if high.value > 0 or not format.signed else (high, low)
        if inner.segment != outer.segment and format.segments[inner.segment].exact_end:
            made[n] = Cut(at=inner.value, belongs=inner is high)  # the number at the cut belongs to the inner level
    return made


def _cut(at: Fraction, format: SegmentedFormat) -> Cut:
    return Cut(at=at, belongs=at > 0 or not format.signed)


def decoded(format: SegmentedFormat) -> dict[int, int]:
    """The number, in fine steps, of every code that a decoder accepts: the levels' and the redundant ones."""
    step, sign = fine_step(format), 1 << (format.bits - 1)
    canonical = {level.code: int(level.value / step) for level in levels(format)}
    aliases = {alias: canonical[code] for alias, code in format.aliases}
    if format.kind == "sign-magnitude":
        aliases |= {alias | sign: -value for alias, value in aliases.items()}
        aliases[zero_code(format) | sign] = 0
    if format.narrow_range:
        aliases[sign] = -sign
    return canonical | aliases


def keys(input: InputType) -> tuple[int, int]:
    """The smallest and the largest key: those of the infinities, or of the extreme integers."""
    if not input.is_float:
        return -(1 << (input.width - 1)), (1 << (input.width - 1)) - 1
    infinity = ((1 << input.exponent_bits) - 1) << (input.width - 1 - input.exponent_bits)
    return -infinity, infinity


def number(key: int, input: InputType) -> Fraction | float:
    """The number that a key stands for; infinite for infinities."""
    if not input.is_float:
        return Fraction(key) * Fraction(2) ** input.exponent
    low, high = keys(input)
    if key in (low, high):
        return float("inf") if key > 0 else float("-inf")
    bits = input.width - 1 - input.exponent_bits
    exponent, fraction = divmod(abs(key), 1 << bits)
    bias = (1 << (input.exponent_bits - 1)) - 1
    significand = Fraction(fraction, 1 << bits) + (1 if exponent else 0)  # subnormals have no hidden bit
    magnitude = significand * Fraction(2) ** (max(exponent, 1) - bias)
    return magnitude if key > 0 else -magnitude


def first_key(cut: Cut, input: InputType, scale: Scale) -> int:
    """The smallest key above ``cut``; one more than the largest key if there is none."""
    low, high = keys(input)
    high += 1
    limit = cut.at * Fraction(2) ** scale.k / scale.M  # as an input
    while low < high:  # numbers ascend with keys
        middle = (low + high) // 2
        value = number(middle, input)
        if value > limit or (cut.belongs and value == limit):
            high = middle
        else:
            low = middle + 1
    return low


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """The range of keys of each code, with a constant scale.

    Attributes:
        keys: by code, the first key and the one after the last; codes that no input gets are left out.
        low, high: keys below ``low`` and from ``high`` on saturate.
    """

    keys: dict[int, tuple[int, int]]
    low: int
    high: int


def ranges(format: SegmentedFormat, input: InputType, scale: Scale) -> Ranges:
    """The ranges of keys of all codes."""
    ascending = levels(format)
    first = [first_key(cut, input, scale) for cut in cuts(format)]
    ends = keys(input)
    starts = [ends[0], *first[1:-1], ends[1] + 1]
    given = {level.code: (a, b) for level, (a, b) in zip(ascending, pairwise(starts), strict=True) if a < b}
    return Ranges(keys=given, low=first[0], high=first[-1])


def pattern(key: int, input: InputType) -> int:
    """The input's bits with that key; of the two zeros the positive one."""
    if not input.is_float:
        return key % (1 << input.width)
    return abs(key) | ((1 << (input.width - 1)) if key < 0 else 0)
