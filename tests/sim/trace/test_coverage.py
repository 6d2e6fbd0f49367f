"""Functional coverage: the classification by hand, and every bin of every shipped format hit under stalls."""

from dataclasses import replace

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.sim.cycle.decoder import DecoderModel
from qse_hw.sim.cycle.encoder import EncoderModel
from qse_hw.sim.cycle.stimulus import full_speed
from qse_hw.sim.packing import pack
from qse_hw.sim.trace.coverage import STALLS, _encoder_case, decoder_cover, encoder_cover, stall_cases
from tests.coverage.functional import scale_for, stimuli
from tests.rtl_gen import formats

S14 = input_type("s14")


def case_of(name, value):
    """The case of a value in units of s, at 4 input steps per fine step."""
    format = formats.make(name)
    scale = scale_for(format, S14)
    return " ".join(_encoder_case(round(value * float(scale.step)) % (1 << 14), format, S14, scale))


@pytest.mark.parametrize(
    ("name", "value", "case"),
    [
        ("int8", 3, "segment 0 + exact"),
        ("int8", -2.25, "segment 0 - below tie"),
        ("int8", 127.25, "segment 0 + below tie"),
        ("int8", 127.5, "saturated +"),
        ("int8", -127.5, "segment 0 - tie"),
        ("int8", -128.25, "segment 0 - below tie"),
        ("int8", -128.5, "saturated -"),
        ("se8", 7.875, "segment 0 + tie"),  # between the fine segment's last code and the next one's first
        ("se8", 8, "segment 1 + exact"),
        ("se8", -71.75, "segment 1 - above tie"),
        ("se8", 74, "segment 2 + tie"),
        ("se8", 198, "saturated +"),
        ("se9-paper", 15.9375, "segment 0 + above tie"),
        ("se9-paper", -144, "segment 2 - below tie"),
        ("int8-asym", -10, "segment 0 - exact"),
        ("int8-asym", -10.25, "segment 0 - above tie"),  # below the first code, and nearest to it
        ("int8-asym", -10.5, "segment 0 - tie"),
        ("int8-asym", -10.75, "saturated -"),
        ("se8-silu", 8, "segment 1 + exact"),
        ("se8-silu", 7.75, "segment 0 + tie"),
    ],
)
def test_cases_by_hand(name, value, case):
    assert case_of(name, value) == case


def test_specials():
    format, input = formats.make("se8"), input_type("fp16")
    zeros, infinities, nans = (0, 0x8000), (0x7C00, 0xFC00), (0x7C01, 0xFFFF)
    cases = [_encoder_case(n, format, input, scale_for(format, input)) for n in (*zeros, *infinities, *nans)]
    assert cases[:2] == [("segment 0", "+", "exact"), ("segment 0", "-", "exact")]
    assert cases[2:] == [("infinity", "+"), ("infinity", "-"), ("NaN",), ("NaN",)]


def test_what_cannot_occur():
    silu = formats.make("se8-silu")
    impossible = encoder_cover(silu, S14, scale_for(silu, S14)).impossible
    assert {case[:2]: why for case, why in impossible.items()} == {
        (f"segment {number}", "-"): "the segment lies above the zero point" for number in (1, 2)
    }
    assert len(impossible) == 8
    integers = encoder_cover(formats.make("int8"), S14, Scale.from_step(1)).impossible
    assert {case[2] for case in integers} == {"below tie", "tie", "above tie"}
    assert integers["segment 0", "+", "tie"].startswith("none of the 16384 patterns of s14 at s = 1 (")
    assert decoder_cover(formats.make("int8")).impossible.keys() == {("redundant",), ("without a value",)}
    assert decoder_cover(silu).impossible["segment 2", "-"] == "the segment lies above the zero point"
    with pytest.raises(InputError, match=r"^Input of functional coverage must have at most 16 bits, not 32$"):
        encoder_cover(silu, input_type("fp32"), Scale.from_step(1))


def test_stalls_by_hand():
    """A unit of two places; beats 0 to 4 meet: a bubble, nothing, a full unit, an output stall, nothing."""
    text = {
        "i__valid": "1111110100",
        "i__ready": "1111011111",  # beat 4 is refused once, while 2 and 3 are held
        "o__valid": "0011111110",
        "o__ready": "1111011111",
    }
    trace = {name: np.array([c == "1" for c in bits]) for name, bits in text.items()}
    trace["i__valid"][5:] = [True, False, False, False, False]
    assert [STALLS[n] for n in stall_cases(trace, 2)][:3] == ["input bubble", "none", "full"]
    lone = {name: bits.copy() for name, bits in trace.items()}
    lone["i__valid"][4] = False
    assert [STALLS[n] for n in stall_cases(lone, 2)][2] == "output stall"
    assert [STALLS[n] for n in stall_cases(trace, 3)][2] == "output stall"


def test_empty_bins_are_named(rng):
    cover = decoder_cover(formats.make("se8"))
    unit = DecoderConfig(format=formats.make("se8"))
    codes = cover.patterns(rng, 5)[:, None]
    trace = DecoderModel(unit).run(full_speed(pack(codes, 8), cycles=len(codes) + 10))
    counts = cover.count(codes, stall_cases(trace, DecoderModel(unit).latency))
    assert counts.sum() == len(codes)
    empty = cover.empty(counts)
    assert "segment 0, +, full" in empty
    assert "segment 0, +, none" not in empty
    assert len(empty) >= 3 * len(cover.cases) - 1


@pytest.mark.parametrize("name", formats.SHIPPED)
@pytest.mark.parametrize("input_name", ["s14", pytest.param("fp16", marks=pytest.mark.full)])
def test_every_bin_of_the_encoder_is_hit(rng, name, input_name):
    """In the cycle model, whose traces equal the Verilog's; tests.coverage collects the same from the Verilog."""
    input, format = input_type(input_name), formats.make(name)
    unit = EncoderConfig(format=format, input=input, scale=scale_for(format, input))
    cover, model = encoder_cover(format, input, unit.scale), EncoderModel(unit)
    patterns, given = stimuli(cover, input.width)
    counts = sum(cover.count(patterns, stall_cases(model.run(one), model.latency)) for one in given)
    assert cover.empty(counts) == []
    eager = [replace(one, accept=np.ones(one.cycles, np.bool_)) for one in given]
    counts = sum(cover.count(patterns, stall_cases(model.run(one), model.latency)) for one in eager)
    assert len(cover.empty(counts)) == 2 * len(cover.cases)  # an output that never waits leaves these empty


@pytest.mark.parametrize("name", formats.SHIPPED)
def test_every_bin_of_the_decoder_is_hit(name):
    format = formats.make(name)
    cover, model = decoder_cover(format), DecoderModel(DecoderConfig(format=format))
    patterns, given = stimuli(cover, format.bits)
    counts = sum(cover.count(patterns, stall_cases(model.run(one), model.latency)) for one in given)
    assert cover.empty(counts) == []
