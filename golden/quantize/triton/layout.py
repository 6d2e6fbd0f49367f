"""A format as Triton kernels take it: tuples of integers, constant when a kernel is compiled."""

from functools import lru_cache
from typing import NamedTuple

from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.formats.tables import tables
from qse_hw.golden.quantize.saturation import first_saturated

SIGN_MAGNITUDE, TWOS_COMPLEMENT, OFFSET = 0, 1, 2
KINDS = {"sign-magnitude": SIGN_MAGNITUDE, "twos-complement": TWOS_COMPLEMENT, "offset": OFFSET}

DIGIT_BITS = 7  # of the signed digits that a decoded integer is split into, so that each is an int8


class Encoding(NamedTuple):
    """From a position T (half fine steps, truncated) to a code.

    Attributes:
        kind: one of :data:`KINDS`.
        sticky: whether any segment depends on the truncated part.
        zero: half fine steps from the axis' start to 0.
        low, high: positions, counted from 0, beyond which all are alike.
        limits: T of a segment is below it; or where its end is exact, ``2 T + truncated`` is.
        exact: whether the segment's end is exact.
        adds, shifts: the code is ``(T + add) >> shift``,
        floors, shrinking: and at least the floor, which matters only where a segment is finer than the one before.
        last, last_negative: of two's complement the largest magnitudes, of positive and negative codes.
        below, above: positions from which on negative (signed: as a magnitude) and positive numbers saturate.
        zero_code: the code of 0.
        sign: the sign's weight.
    """

    kind: int
    sticky: bool
    zero: int
    low: int
    high: int
    limits: tuple[int, ...]
    exact: tuple[bool, ...]
    adds: tuple[int, ...]
    shifts: tuple[int, ...]
    floors: tuple[int, ...]
    shrinking: bool
    last: int
    last_negative: int
    below: int
    above: int
    zero_code: int
    sign: int


class Decoding(NamedTuple):
    """From a code to an integer in fine steps.

    Attributes:
        kind: one of :data:`KINDS`.
        bits: of a code.
        container: bits of the integer that holds it.
        firsts: the code, without sign, from which on a run of codes has its rule; ascending from 0.
        shifts, adds: the rule: ``(code << shift) + add``.
        assigned: whether the run has values at all; others decode as 0.
        aliases, alias_values: redundant codes, each compared by itself.
        digits, digit_bits: the number and width of signed digits that hold any decoded integer.
    """

    kind: int
    bits: int
    container: int
    firsts: tuple[int, ...]
    shifts: tuple[int, ...]
    adds: tuple[int, ...]
    assigned: tuple[bool, ...]
    aliases: tuple[int, ...]
    alias_values: tuple[int, ...]
    digits: int
    digit_bits: int


@lru_cache(maxsize=256)
def encoding(format: SegmentedFormat) -> Encoding:
    """How the kernels encode ``format``; the rules are those of :mod:`qse_hw.golden.formats.scalar`."""
    table = tables(format)
    below, above = first_saturated(format)
    limits, adds, shifts, floors = [], [], [], []
    shrinking, before = False, 0  # half fine steps by which a segment's positions can be below its start
    for segment, start, end, e in zip(format.segments, format.starts, format.ends, format.shifts, strict=True):
        first = 0 if format.kind == "twos-complement" else segment.first_code
        limits.append(4 * (end - (1 << e)) + 1 if segment.exact_end else 2 * end - (1 << e))
        adds.append((1 << e) - 2 * start + (first << (e + 1)))
        shifts.append(e + 1)
        floors.append(first)
        shrinking |= before > 1 << e
        before = (2 if segment.exact_end else 1) << e
    return Encoding(
        kind=KINDS[format.kind],
        sticky=table.sticky,
        zero=2 * format.zero_point,
        low=table.low,
        high=table.high,
        limits=tuple(limits),
        exact=tuple(segment.exact_end for segment in format.segments),
        adds=tuple(adds),
        shifts=tuple(shifts),
        floors=tuple(floors),
        shrinking=shrinking,
        last=format.last_index(),
        last_negative=format.last_index(negative=True),
        below=-below if format.signed else below + 2 * format.zero_point,
        above=above + 2 * format.zero_point,
        zero_code=format.zero_code,
        sign=1 << (format.bits - 1),
    )


@lru_cache(maxsize=256)
def decoding(format: SegmentedFormat) -> Decoding:
    """How the kernels decode ``format``."""
    runs: list[tuple[int, int, int, bool]] = []
    end = 0
    for segment, start, e in sorted(
        zip(format.segments, format.starts, format.shifts, strict=True), key=lambda item: item[0].first_code
    ):
        if segment.first_code > end:
            runs.append((end, 0, 0, False))
        runs.append((segment.first_code, e, start - (segment.first_code << e) - format.zero_point, True))
        end = segment.first_code + segment.codes
    if end < 1 << format.code_field_bits:
        runs.append((end, 0, 0, False))
    values = format.values
    largest = max(abs(value) for value in format.decoded.values())
    return Decoding(
        kind=KINDS[format.kind],
        bits=format.bits,
        container=8 if format.bits <= 8 else 16,
        firsts=tuple(run[0] for run in runs),
        shifts=tuple(run[1] for run in runs),
        adds=tuple(run[2] for run in runs),
        assigned=tuple(run[3] for run in runs),
        aliases=tuple(alias for alias, _ in format.aliases),
        alias_values=tuple(values[code] for _, code in format.aliases),
        digits=digits(largest),
        digit_bits=DIGIT_BITS,
    )


def digits(largest: int) -> int:
    """Signed digits in -64..63, and a top one in -128..127, that hold integers up to ``largest`` in magnitude."""
    count, top = 1, 127
    while largest > top:
        count, top = count + 1, (top << DIGIT_BITS) + 63
    return count
