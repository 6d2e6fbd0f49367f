"""What a format is, and every rule that refuses one."""

import dataclasses

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import int8, int8_asym, se8, se8_silu, se9_paper
from qse_hw.golden.formats.segmented import MAX_BITS, Segment, SegmentedFormat
from tests.golden.formats import oracles


def segment(codes=8, log2_step=0, first_code=0, exact_end=False):
    return Segment(codes=codes, log2_step=log2_step, first_code=first_code, exact_end=exact_end)


def make(*segments, **others):
    arguments = {"name": "test", "bits": 8, "kind": "sign-magnitude", "segments": segments} | others
    return SegmentedFormat(**arguments)


@pytest.mark.parametrize("name", oracles.ORACLES)
def test_derived_numbers(name):
    format = oracles.make(name)
    values = list(format.values.values())
    assert len(format.axis_codes) == sum(segment.codes for segment in format.segments)
    assert format.first_indices == tuple(format.axis_codes.index(segment.first_code) for segment in format.segments)
    assert values.count(0) == 1
    assert format.values[format.zero_code] == 0
    assert len(set(values)) == len(values)
    assert format.reach == max(oracles.ORACLES[name].values.values())
    assert format.starts[0] == 0
    assert format.starts[1:] == format.ends[:-1]
    assert 0 in format.shifts
    assert min(format.shifts) == 0
    assert all(format.decoded[code] == value for code, value in format.values.items())
    assert all(0 <= code < 1 << format.bits for code in format.decoded)


def test_sizes_of_the_shipped_formats():
    assert (int8().reach, int8().signed, len(int8().values)) == (127, True, 256)
    assert min(int8().values.values()) == -128
    assert min(int8(narrow_range=1).values.values()) == -127
    assert (int8_asym().reach, int8_asym().signed, len(int8_asym().values)) == (245, False, 256)
    assert [se8(L).reach for L in (4, 8, 12)] == [256, 196, 136]
    assert len(se8().values) == 255
    assert (se9_paper().reach, len(se9_paper().values), se9_paper().bits) == (395, 509, 9)
    assert (se9_paper().fraction_bits, max(se9_paper().values.values()).bit_length()) == (2, 11)  # 12 bits with sign
    assert len(se8_silu().values) == 256


def test_formats_are_values():
    assert se8(8) == se8(8)
    assert hash(se8(8)) == hash(se8(8))
    assert se8(8) != se8(9)
    assert dataclasses.replace(se8(), name="mine").name == "mine"
    assert dataclasses.replace(dataclasses.replace(se8(), name="mine"), name="se8") == se8()
    with pytest.raises(dataclasses.FrozenInstanceError):
        se8().bits = 9


def test_numpy_integers_and_lists_become_integers_and_tuples():
    format = SegmentedFormat(
        name="test",
        bits=np.int8(8),
        kind="offset",
        segments=[Segment(codes=np.uint8(200), log2_step=np.int64(-1), first_code=np.int16(3))],
        zero_point=np.int32(7),
        aliases=[[np.uint8(1), np.int64(3)]],
    )
    assert hash(format) == hash(dataclasses.replace(format))
    assert format.aliases == ((1, 3),)
    integers = (format.bits, format.zero_point, *format.aliases[0], *dataclasses.astuple(format.segments[0])[:3])
    assert {type(number) for number in integers} == {int}


@pytest.mark.parametrize("argument", ["codes", "log2_step", "first_code"])
@pytest.mark.parametrize("value", [1.0, "1", None])
def test_segments_take_integers(argument, value):
    with pytest.raises(TypeError):
        segment(**{argument: value})


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"codes": 0}, "Segment codes must be at least 1, not 0"),
        ({"codes": -5}, "Segment codes must be at least 1, not -5"),
        ({"log2_step": 9}, "Segment log2_step must be from -8 to 8, not 9"),
        ({"log2_step": -9}, "Segment log2_step must be from -8 to 8, not -9"),
        ({"codes": 1, "exact_end": True}, "Segment codes must be at least 2 where exact_end keeps all .* out, not 1"),
    ],
)
def test_segment_rules(arguments, text):
    with pytest.raises(InputError, match=f"^{text}$"):
        segment(**arguments)


HALF = segment(codes=64)
RULES = {
    "bits must be from 2 to 12, not 1": lambda: make(HALF, bits=1),
    "bits must be from 2 to 12, not 13": lambda: make(HALF, bits=MAX_BITS + 1),
    "bits must be from 2 to 12, not 1000000000000": lambda: make(HALF, bits=10**12),
    "kind must be one of sign-magnitude, twos-complement, offset, not 'float'": lambda: make(HALF, kind="float"),
    "segments must not be empty": lambda: make(),
    "the last segment's exact_end must be false: ": lambda: make(segment(exact_end=True)),
    "reach must be at most 32768 fine steps, not 65544": lambda: make(
        segment(log2_step=-8), segment(codes=1, log2_step=8, first_code=8)
    ),
    "reach must be at most 32768 fine steps, not 1000000000000": lambda: make(segment(codes=10**12)),
    "twos-complement must have one segment of 128 codes from code 0, use sign-magnitude for": lambda: make(
        HALF, kind="twos-complement"
    ),
    "twos-complement must have one segment of 128 codes": lambda: make(
        segment(codes=128, first_code=1), kind="twos-complement"
    ),
    "twos-complement must have one segment": lambda: make(
        segment(codes=128), segment(first_code=128), kind="twos-complement"
    ),
    "narrow_range must be false unless the kind is twos-complement": lambda: make(HALF, narrow_range=True),
    r"too many codes: 129 do not fit into 128 \(8 bits, sign-magnitude\)": lambda: make(segment(codes=129)),
    r"too many codes: 257 do not fit into 256 \(8 bits, offset\)": lambda: make(segment(codes=257), kind="offset"),
    "codes of segment 1 must lie in 0..127, not 121..128": lambda: make(HALF, segment(first_code=121)),
    "codes of segment 0 must lie in 0..127, not -1..6": lambda: make(segment(first_code=-1)),
    "codes must not overlap, but 63 is in segments 0 and 1": lambda: make(HALF, segment(first_code=63)),
    "zero_point must be 0 unless the kind is offset, not 4": lambda: make(HALF, zero_point=4),
    "zero_point must lie in a segment of the finest step so that 0 is exact, not 64": lambda: make(
        HALF, kind="offset", zero_point=64
    ),
    "zero_point must lie in a segment of the finest step so that 0 is exact, not -1": lambda: make(
        HALF, kind="offset", zero_point=-1
    ),
    "zero_point must lie in a segment of the finest step so that 0 is exact, not 16": lambda: make(
        segment(log2_step=-1, codes=16), segment(first_code=16), kind="offset", zero_point=16
    ),
    "aliases must map an unused code to a used one, not 3 to 4": lambda: make(HALF, aliases=((3, 4),)),
    "aliases must map an unused code to a used one, not 64 to 65": lambda: make(HALF, aliases=((64, 65),)),
    "aliases must map an unused code to a used one, not 128 to 5": lambda: make(HALF, aliases=((128, 5),)),
    "aliases must map an unused code to a used one, not -1 to 5": lambda: make(HALF, aliases=((-1, 5),)),
    "aliases must map an unused code to a used one, not 70 to 6": lambda: make(HALF, aliases=((70, 5), (70, 6))),
    "aliases must map an unused code to a used one, not 71 to 70": lambda: make(HALF, aliases=((70, 5), (71, 70))),
}


@pytest.mark.parametrize("text", RULES)
def test_rules(text):
    with pytest.raises(InputError, match=f"^Format 'test': {text}"):
        RULES[text]()


def test_the_largest_format_is_still_allowed():
    format = make(segment(codes=128, log2_step=-8), segment(codes=1, log2_step=6, first_code=128), kind="offset")
    assert format.ends[-1] == 128 + (1 << 14)
    assert format.reach == 0.5
    whole = make(segment(codes=128, log2_step=8), kind="sign-magnitude")
    assert (whole.fraction_bits, whole.reach) == (-8, 127 * 256)
