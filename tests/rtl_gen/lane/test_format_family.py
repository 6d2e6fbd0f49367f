"""Constants of formats that are set at run time, against qse_hw.golden.formats.scalar: every position of many
formats.
"""

from dataclasses import replace

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scalar import quantize_position
from qse_hw.golden.formats.segmented import MAX_REACH, Segment, SegmentedFormat
from qse_hw.rtl_gen.lane.format_family import MAX_SEGMENTS, FormatFamily
from qse_hw.rtl_gen.lane.piecewise import guard_bits
from tests.rtl_gen.families import member
from tests.rtl_gen.formats import ALL, SHIPPED, make, random_format
from tests.rtl_gen.lane.test_piecewise import place, positions

FAMILIES = [name for name in ALL if make(name).kind != "twos-complement" and guard_bits(make(name)) == 0]


def evaluate(family, constants, d):
    """(code, saturated) of position D by the regions' rule, as hardware does it; D of any shape."""
    firsts = [constants[f"first{n}"] for n in range(1, len(family.regions))]
    assert firsts == sorted(set(firsts))
    number = np.searchsorted(firsts, d, side="right")
    codes = np.zeros(d.shape, np.int64)
    for n, region in enumerate(family.regions):
        if region.constant:
            code = constants[f"constant{n}"]
        else:
            low = constants.get(f"low{n}", region.low)
            carry = (d & ((1 << region.shift) - 1)) + low >= 1 << region.shift
            code = ((d >> region.shift) + constants[f"high{n}"] + carry) & ((1 << family.field) - 1)
        codes = np.where(number == n, code, codes)
    return codes, np.array([region.saturated for region in family.regions])[number]


def check(format, constants=None):
    family = FormatFamily.of(format)
    constants = constants or family.constants(format)
    shape = family.layout
    assert set(constants) == {name for name, _ in shape}
    for name, field in shape:
        low, high = (-(1 << field.width - 1), 1 << field.width - 1) if name[:5] == "first" else (0, 1 << field.width)
        assert low <= constants[name] < high, name
    cases = [case for case in positions(format) if case[1]]  # no format here asks for what was truncated
    d = np.array([place(*case, format) for case in cases])
    codes, saturated = evaluate(family, constants, d)
    for case, code, flag in zip(cases, codes.tolist(), saturated.tolist(), strict=True):
        want = quantize_position(*case, format)
        assert (code, flag) == (want.code & ((1 << family.field) - 1), want.saturated), f"{case}, {format}"


@pytest.mark.parametrize("name", FAMILIES)
def test_named_formats(name):
    check(make(name))


@pytest.mark.parametrize("part", [*range(3), *(pytest.param(n, marks=pytest.mark.full) for n in range(3, 60))])
def test_random_members_of_random_families(part, rng):
    """Members of a family have the same layout; every position of each is right."""
    done = 0
    while done < 12:
        format = random_format(rng)
        format = replace(format, segments=tuple(replace(s, exact_end=False) for s in format.segments))
        if format.kind == "twos-complement" or sum(s.codes for s in format.segments) < 2:
            continue
        family = FormatFamily.of(format)
        for _ in range(4):
            other = member(rng, family)
            assert FormatFamily.of(other) == family
            if other.ends[-1] <= 3000:
                check(other)
        done += 1


@pytest.mark.parametrize("name", ["se8", "se8-silu"])
def test_a_wrong_constant_would_be_noticed(name):
    format = make(name)
    constants = FormatFamily.of(format).constants(format)
    for key, value in constants.items():
        with pytest.raises(AssertionError):
            check(format, constants | {key: value + (4 if "low" in key else 1)})


@pytest.mark.parametrize("name", ["se8", "se8-silu", "int8-asym"])
def test_thresholds_stay_in_their_range(name, rng):
    """The widest members there are: everything in one segment, the zero point at its end."""
    family = FormatFamily.of(make(name))
    lowest, highest = family.thresholds
    firsts = set()
    for wide in range(len(family.shifts)):
        codes = [1] * len(family.shifts)
        codes[wide] = (1 << family.field) - len(codes) + 1
        first = np.concatenate([[0], np.cumsum(codes)])
        segments = tuple(
            Segment(codes=c, log2_step=s, first_code=f)
            for c, s, f in zip(codes, family.log2_steps, first[:-1], strict=True)
        )
        format = SegmentedFormat(name="wide", bits=family.bits, kind=family.kind, segments=segments)
        points = [0]
        if family.kind == "offset":
            points = [p for p in range(format.ends[-1]) if format.starts[0] <= p < format.ends[0]]
        for point in points[:1] + points[-1:]:
            constants = family.constants(replace(format, zero_point=point))
            firsts |= {value for key, value in constants.items() if "first" in key}
    assert lowest <= min(firsts)
    assert max(firsts) <= highest
    assert max(firsts) == highest
    assert family.kind != "offset" or min(firsts) == lowest


def test_reach_bounds_the_thresholds():
    segments = (Segment(codes=1, log2_step=-8, first_code=0), Segment(codes=1, log2_step=2, first_code=1))
    family = FormatFamily.of(SegmentedFormat(name="x", bits=12, kind="offset", segments=segments))
    assert family.largest_end(1) == MAX_REACH
    assert family.largest_end(0) == (1 << 12) - 1
    assert family.thresholds == (-1 - 2 * 4094, 2 * MAX_REACH - 1024)
    assert family.threshold_shape.width == 17


def test_structure():
    family = FormatFamily.of(make("se8"))
    assert [region.shift for region in family.regions] == [1, 3, 5, 0]
    assert [name for name, _ in family.layout] == [
        "high0", "first1", "high1", "low1", "first2", "high2", "low2", "first3", "constant3"
    ]  # fmt: skip
    falling = FormatFamily(kind="sign-magnitude", bits=8, log2_steps=(2, 0))
    assert [region.constant for region in falling.regions] == [False, True, False, True]
    assert all(region.low is not None for region in falling.regions)


@pytest.mark.parametrize("name", [n for n in SHIPPED if n in ("int8", "se9-paper")])
def test_no_such_family(name):
    with pytest.raises(InputError, match=r"^Format set at run time must"):
        FormatFamily.of(make(name))


def test_refusals():
    segments = tuple(Segment(codes=1, log2_step=0, first_code=n) for n in range(MAX_SEGMENTS + 1))
    with pytest.raises(InputError, match="must be at most 16, not 17"):
        FormatFamily.of(SegmentedFormat(name="x", bits=8, kind="offset", segments=segments))
    with pytest.raises(InputError, match="must have at least 2 codes"):
        FormatFamily.of(SegmentedFormat(name="x", bits=8, kind="sign-magnitude", segments=segments[:1]))
    with pytest.raises(TypeError, match="must be a SegmentedFormat"):
        FormatFamily.of("se8")
    family = FormatFamily.of(make("se8"))
    with pytest.raises(InputError, match="must be of the family"):
        family.constants(make("se8-silu"))
