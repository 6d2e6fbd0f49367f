"""Segmented number formats: what every code means.

A :class:`SegmentedFormat` is a list of :class:`Segment` on one axis, contiguous from 0: each has a number of codes and
a power-of-two step in units of the scale's step ``s``. Three kinds of code exist:

* ``sign-magnitude``: the axis is ``|u|``, the top bit of the code is the sign;
* ``twos-complement``: one segment only, the code is the signed value itself (plain INT8);
* ``offset``: the axis is ``u + zero_point``; no sign bit (one-sided activations such as a SiLU output).

Lengths on the axis are integers in *fine steps*, the smallest step of the format: ``s * 2**-fraction_bits``. They are
computed once, here, and used alike by the golden models and by the hardware generator.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from qse_hw.golden.checks import instance, integer, one_of, shown
from qse_hw.golden.errors import InputError, InputTypeError

Kind = Literal["sign-magnitude", "twos-complement", "offset"]
KINDS: tuple[Kind, ...] = ("sign-magnitude", "twos-complement", "offset")

MAX_BITS = 12  # codes; tables have 2**bits rows
MAX_REACH = 1 << 15  # fine steps; keeps every table and every hardware constant small


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A run of ``codes`` equidistant values, ``2**log2_step`` (units of s) apart, coded from ``first_code`` on.

    ``exact_end``: only values up to and including the last code's value belong to the segment, everything above goes to
    the next one (the published simulation's ``|x| <= 15.75 s``); otherwise the border is the usual half step.
    """

    codes: int
    log2_step: int
    first_code: int
    exact_end: bool = False

    def __post_init__(self) -> None:
        for name in ("codes", "log2_step", "first_code"):
            object.__setattr__(self, name, integer(getattr(self, name), f"Segment {name}"))
        instance(self.exact_end, bool, "Segment exact_end", "true or false")
        if self.codes < 1:
            raise InputError(f"Segment codes must be at least 1, not {self.codes!r}")
        if not -8 <= self.log2_step <= 8:
            raise InputError(f"Segment log2_step must be from -8 to 8, not {self.log2_step!r}")
        if self.exact_end and self.codes < 2:
            raise InputError(
                f"Segment codes must be at least 2 where exact_end keeps all above the last one out, not {self.codes!r}"
            )


@dataclass(frozen=True, kw_only=True)
class SegmentedFormat:
    """A number format; immutable, hashable, checked when made.

    Args:
        name: what reports and files call it.
        bits: width of a code, sign included.
        kind: one of :data:`KINDS`.
        segments: in the axis' order, contiguous.
        zero_point: fine steps from the axis' start to the value 0; offset formats only, inside a segment of the
            finest step, so that 0 is exact.
        narrow_range: two's complement only; drops the most negative code (-128 of INT8).
        aliases: pairs (redundant code, canonical code) that decoders accept and encoders never emit.

    Raises:
        InputError: naming the rule that the arguments break.
    """

    name: str
    bits: int
    kind: Kind
    segments: tuple[Segment, ...]
    zero_point: int = 0
    narrow_range: bool = False
    aliases: tuple[tuple[int, int], ...] = field(default=())

    def __post_init__(self) -> None:
        instance(self.name, str, "Format name", "text")
        for name in ("bits", "zero_point"):
            object.__setattr__(self, name, integer(getattr(self, name), f"Format {self.name!r}: {name}"))
        object.__setattr__(self, "segments", _segments(self.segments, self.name))
        object.__setattr__(self, "aliases", _aliases(self.aliases, self.name))
        self._check()

    def __str__(self) -> str:
        return self.name

    def _check(self) -> None:
        where = f"Format {self.name!r}:"
        if not 2 <= self.bits <= MAX_BITS:
            raise InputError(f"{where} bits must be from 2 to {MAX_BITS}, not {self.bits!r}")
        one_of(self.kind, KINDS, f"{where} kind")
        instance(self.narrow_range, bool, f"{where} narrow_range", "true or false")
        if not self.segments:
            raise InputError(f"{where} segments must not be empty")
        if self.segments[-1].exact_end:
            raise InputError(
                f"{where} the last segment's exact_end must be false: what it keeps out has no segment above to go to"
            )
        if self.ends[-1] > MAX_REACH:
            raise InputError(f"{where} reach must be at most {MAX_REACH} fine steps, not {self.ends[-1]}")
        if self.kind == "twos-complement":
            half = 1 << (self.bits - 1)
            only = self.segments[0]
            if len(self.segments) != 1 or only.first_code != 0 or only.codes != half:
                raise InputError(
                    f"{where} twos-complement must have one segment of {half} codes from code 0, "
                    "use sign-magnitude for several segments"
                )
        elif self.narrow_range:
            raise InputError(f"{where} narrow_range must be false unless the kind is twos-complement")
        self._check_codes(where)
        if self.kind != "offset":
            if self.zero_point != 0:
                raise InputError(f"{where} zero_point must be 0 unless the kind is offset, not {self.zero_point}")
        elif not any(
            shift == 0 and start <= self.zero_point < end
            for shift, start, end in zip(self.shifts, self.starts, self.ends, strict=True)
        ):
            raise InputError(
                f"{where} zero_point must lie in a segment of the finest step so that 0 is exact, not {self.zero_point}"
            )

    def _check_codes(self, where: str) -> None:
        limit = 1 << self.code_field_bits
        total = sum(segment.codes for segment in self.segments)
        if total > limit:
            raise InputError(f"{where} too many codes: {total} do not fit into {limit} ({self.bits} bits, {self.kind})")
        owner: dict[int, int] = {}
        for number, segment in enumerate(self.segments):
            if not 0 <= segment.first_code <= limit - segment.codes:
                raise InputError(
                    f"{where} codes of segment {number} must lie in 0..{limit - 1}, not "
                    f"{segment.first_code}..{segment.first_code + segment.codes - 1}"
                )
            for code in range(segment.first_code, segment.first_code + segment.codes):
                if code in owner:
                    raise InputError(
                        f"{where} codes must not overlap, but {code} is in segments {owner[code]} and {number}"
                    )
                owner[code] = number
        used = set(owner)
        for alias, code in self.aliases:
            if not 0 <= alias < limit or alias in used or code not in owner:
                raise InputError(f"{where} aliases must map an unused code to a used one, not {alias} to {code}")
            used.add(alias)

    @property
    def signed(self) -> bool:
        """Whether the axis is ``|u|`` (with a sign) rather than ``u + zero_point``."""
        return self.kind != "offset"

    @property
    def code_field_bits(self) -> int:
        """Bits of the code without the sign bit."""
        return self.bits - 1 if self.signed else self.bits

    @cached_property
    def fraction_bits(self) -> int:
        """log2 of (s / fine step); negative if every step is coarser than s."""
        return -min(segment.log2_step for segment in self.segments)

    @cached_property
    def shifts(self) -> tuple[int, ...]:
        """log2 of each segment's step in fine steps (>= 0)."""
        return tuple(segment.log2_step + self.fraction_bits for segment in self.segments)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Axis value of each segment's first code, in fine steps."""
        return (0, *self.ends[:-1])

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Axis value one step past each segment's last code, in fine steps: the next segment's start."""
        ends, end = [], 0
        for segment, shift in zip(self.segments, self.shifts, strict=True):
            end += segment.codes << shift
            ends.append(end)
        return tuple(ends)

    @cached_property
    def first_indices(self) -> tuple[int, ...]:
        """Index (rank on the axis) of each segment's first code."""
        indices, count = [], 0
        for segment in self.segments:
            indices.append(count)
            count += segment.codes
        return tuple(indices)

    def last_index(self, *, negative: bool = False) -> int:
        """Index of the largest value on the axis, where values beyond it saturate."""
        last = self.first_indices[-1] + self.segments[-1].codes - 1
        if negative and self.kind == "twos-complement" and not self.narrow_range:
            return last + 1  # -128 exists, +128 does not
        return last

    @cached_property
    def axis_codes(self) -> tuple[int, ...]:
        """Code (without sign bit) of each index."""
        return tuple(code for seg in self.segments for code in range(seg.first_code, seg.first_code + seg.codes))

    @cached_property
    def zero_code(self) -> int:
        """The one canonical code of 0: what zeros, negative zeros and NaN become."""
        return next(code for code, value in self.values.items() if value == 0)

    @cached_property
    def values(self) -> dict[int, int]:
        """Decoded value, in fine steps, of every canonical code; ascending on the axis, positive before negative."""
        axis = {
            segment.first_code + number: start + (number << shift)
            for segment, start, shift in zip(self.segments, self.starts, self.shifts, strict=True)
            for number in range(segment.codes)
        }
        if self.kind == "offset":
            return {code: value - self.zero_point for code, value in axis.items()}
        sign = 1 << (self.bits - 1)
        if self.kind == "sign-magnitude":
            return axis | {code | sign: -value for code, value in axis.items() if value}
        step = 1 << self.shifts[0]
        negative = range(1, self.last_index(negative=True) + 1)
        return axis | {(-number) % (2 * sign): -number * step for number in negative}

    @cached_property
    def decoded(self) -> dict[int, int]:
        """:attr:`values` and the redundant codes that decoders accept (aliases, negative zero)."""
        sign = 1 << (self.bits - 1)
        axis = {alias: self.values[code] for alias, code in self.aliases}
        redundant = dict(axis)
        if self.kind == "sign-magnitude":
            redundant |= {alias | sign: -value for alias, value in axis.items()}
            redundant[self.zero_code | sign] = 0
        if self.kind == "twos-complement" and self.narrow_range:
            redundant[sign] = -(self.segments[0].codes << self.shifts[0])
        return self.values | redundant

    @property
    def reach(self) -> float:
        """Largest decoded value in units of s."""
        return max(self.values.values()) / 2.0**self.fraction_bits


def check_format(format: SegmentedFormat) -> None:
    """InputTypeError unless ``format`` is one."""
    instance(format, SegmentedFormat, "Format", "a SegmentedFormat, as load_format gives it")


def _segments(given: Any, name: str) -> tuple[Segment, ...]:
    try:
        segments = tuple(given)
    except TypeError:
        segments = (given,)
    for segment in segments:
        instance(segment, Segment, f"Format {name!r}: segments", "a sequence of Segment")
    return segments


def _aliases(given: Any, name: str) -> tuple[tuple[int, int], ...]:
    where = f"Format {name!r}: aliases"
    try:
        pairs = [tuple(pair) for pair in given]
    except TypeError:
        pairs = [()]
    if any(len(pair) != 2 for pair in pairs):
        raise InputTypeError(f"{where} must be pairs of codes, not {shown(given)}")
    return tuple((integer(alias, where), integer(code, where)) for alias, code in pairs)
