"""Regions and intervals, the constants of the hardware, against qse_hw.golden.formats.scalar: every position and every
code.
"""

from dataclasses import replace

import numpy as np
import pytest

from qse_hw.golden.formats.scalar import quantize_position
from qse_hw.golden.formats.segmented import Segment, SegmentedFormat
from qse_hw.rtl_gen.lane.piecewise import guard_bits, intervals, regions
from tests.rtl_gen.formats import ALL, make, random_format

FAR = (1 << 16, 1 << 20, (1 << 40) + 1)


def positions(format):
    """(T, exact, negative): every case within the format's range, and some far beyond."""
    margin = (1 << max(format.shifts)) + 4
    if format.signed:
        magnitudes = [*range(2 * format.ends[-1] + margin), *FAR]
        return [(T, exact, minus) for T in magnitudes for minus in (False, True) for exact in (True, False)]
    low, high = -2 * format.zero_point - margin, 2 * (format.ends[-1] - format.zero_point) + margin
    return [(T, exact, T < 0) for T in (*(-n for n in FAR), *range(low, high), *FAR) for exact in (True, False)]


def place(T, exact, negative, format):
    """D, as the regions' documentation defines it."""
    if format.kind == "twos-complement":
        floor = -T - (not exact) if negative else T
        return floor + 1 - (negative and exact)
    guard = guard_bits(format)
    return (T << guard) | (0 if exact else guard)


def check_regions(format, table=None):
    table = table or regions(format)
    assert table[0].first is None
    firsts = [region.first for region in table[1:]]
    assert firsts == sorted(firsts)
    mask = (1 << (format.bits - (format.kind == "sign-magnitude"))) - 1
    cases = positions(format)
    D = np.array([place(*case, format) for case in cases])
    number = np.searchsorted(firsts, D, side="right")
    for (T, exact, negative), d, n in zip(cases, D.tolist(), number.tolist(), strict=True):
        region = table[n]
        code = region.constant if region.constant is not None else ((d + region.addend) >> region.shift) & mask
        want = quantize_position(T, exact, negative, format)
        assert (code, region.saturated) == (want.code & mask, want.saturated), f"T {T}, {exact=}, {negative=}, {format}"


def check_intervals(format):
    table = intervals(format)
    assert table[0].first == 0
    assert [interval.first for interval in table] == sorted({interval.first for interval in table})
    for code in range(1 << format.code_field_bits):
        interval = [interval for interval in table if interval.first <= code][-1]
        assert interval.assigned == (code in format.decoded), f"code {code}, {format}"
        if interval.assigned:
            assert (code << interval.shift) + interval.offset == format.decoded[code], f"code {code}, {format}"


@pytest.mark.every(3)
@pytest.mark.parametrize("name", ALL)
def test_regions_of_named_formats(name):
    check_regions(make(name))


@pytest.mark.parametrize("name", [name for name in ALL if make(name).kind != "twos-complement"])
def test_intervals_of_named_formats(name):
    check_intervals(make(name))


@pytest.mark.every(6)
@pytest.mark.parametrize("part", range(4))
def test_regions_and_intervals_of_random_formats(part, rng):
    kinds = set()
    for _ in range(100):
        format = random_format(rng)
        kinds.add((format.kind, guard_bits(format)))
        if format.ends[-1] <= 4000:
            check_regions(format)
        if format.kind != "twos-complement":
            check_intervals(format)
    assert len(kinds) == 5


@pytest.mark.full
@pytest.mark.parametrize("part", range(40))
def test_regions_and_intervals_of_very_many_random_formats(part, rng):
    for _ in range(100):
        format = random_format(rng)
        check_regions(format)
        if format.kind != "twos-complement":
            check_intervals(format)


@pytest.mark.parametrize("name", ALL)
def test_a_guard_bit_only_where_a_segment_ends_exactly(name):
    assert guard_bits(make(name)) == (name == "se9-paper" or name.startswith("sticky-"))


@pytest.mark.parametrize(
    ("name", "most"), [("int8", 3), ("int8-asym", 3), ("se8", 4), ("se8-silu", 5), ("se9-paper", 5), ("eight", 13)]
)
def test_few_comparisons(name, most):
    assert len(regions(make(name))) <= most


@pytest.mark.parametrize(
    ("name", "count"), [("int8-asym", 1), ("se8", 3), ("se8-silu", 3), ("se9-paper", 3), ("sticky-signed", 7)]
)
def test_one_interval_per_formula(name, count):
    assert len(intervals(make(name))) == count


def test_thresholds_are_where_few_bits_decide():
    """If neighbors agree around the border, the threshold is the candidate with the most trailing zeros."""
    segments = (Segment(codes=10, log2_step=0, first_code=0), Segment(codes=20, log2_step=2, first_code=10))
    format = SegmentedFormat(name="x", bits=6, kind="sign-magnitude", segments=segments)
    assert regions(format)[1].first == 20  # 19, 20, 21 would do
    offset = SegmentedFormat(name="x", bits=5, kind="offset", segments=segments, zero_point=6)
    assert regions(offset)[2].first == 8  # 7, 8, 9
    check_regions(format)
    check_regions(offset)


def test_a_wrong_constant_would_be_noticed():
    """The check fails for any wrong threshold, addend, constant or flag."""
    format = make("se8-silu")
    table = regions(format)
    for number, region in enumerate(table):
        for member in ("first", "addend", "constant", "saturated"):
            value = getattr(region, member)
            if value is None or (member == "addend" and region.constant is not None):
                continue
            wrong = not value if member == "saturated" else value + (1 << region.shift)
            changed = (*table[:number], replace(region, **{member: wrong}), *table[number + 1 :])
            with pytest.raises(AssertionError):
                check_regions(format, changed)
