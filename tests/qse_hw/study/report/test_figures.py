"""The data of the figures in the sections on format and accuracy."""

import math
from itertools import pairwise

import numpy as np
import pytest

from qse_hw.golden.calibration.calibration import read_calibration
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.formats import scalar
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import PRESETS, load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.quantize import array
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from qse_hw.study.report.accuracy import Accuracy, measure, picture, scales, section_accuracy
from qse_hw.study.report.format import owners, rounding, section_format, spans
from qse_hw.study.sources import Activations
from tests.qse_hw.study.report.checker import Page

FP16 = EncoderConfig(format=load_format("se8"), input=input_type("fp16"), scale=Scale.from_step(0.03))


@pytest.fixture
def captured(tensors):
    return Activations(tensors=tensors, metadata={}, origin="<b>here</b>")


@pytest.mark.parametrize("name", [*PRESETS, "int8:narrow_range=1"])
def test_every_code_has_the_segment_that_its_value_lies_in(name):
    format = load_format(name)
    segments, unit = owners(format), 2.0**format.fraction_bits
    assert segments.keys() == format.decoded.keys()
    for code, value in format.decoded.items():
        place = abs(value) if format.signed else value + format.zero_point
        inside = [
            n for n, (start, end) in enumerate(zip(format.starts, format.ends, strict=True)) if start <= place < end
        ]
        assert segments[code] == (inside or [len(format.segments) - 1])[0]
    stretches = spans(format)
    assert all(end == begin for (_, _, end), (_, begin, _) in pairwise(stretches))
    assert stretches[0][1] <= min(format.values.values()) / unit + 1
    assert stretches[-1][2] > max(format.values.values()) / unit


@pytest.mark.parametrize("name", PRESETS)
def test_no_value_of_the_range_is_moved_farther_than_the_picture_says(name, rng):
    format = load_format(name)
    values = np.array(sorted(set(format.values.values()))) / 2.0**format.fraction_bits
    ends = (values[0] - 9.0, values[-1] + 7.0)
    places, errors = rounding(format, ends)
    assert (np.diff(places) > 0).all()
    assert (places[0], places[-1]) == ends
    assert (errors[0], errors[-1]) == (9.0, 7.0)
    one = Scale.from_step(1.0)
    for x in rng.uniform(values[0], values[-1], 2000).astype(np.float32):
        code = scalar.quantize(int(x.view(np.uint32)), input_type("fp32"), format, one).code
        error = abs(scalar.dequantize(code, format) / 2.0**format.fraction_bits - float(x))
        between = np.searchsorted(values, x)
        assert error <= (values[between] - values[between - 1]) / 2 + (0.25 if name == "se9-paper" else 0)
    inner = errors[40:-40]
    assert inner == pytest.approx(np.diff(values) / 2)


def test_the_formats_section():
    page = Page(section_format(load_format("se8:L=12"), Scale.from_step(0.5)))
    for words in ("48", "40 to 6f", "0 to 11.75", "1/4", "0.125", "76 to 136", "38 to 68"):
        assert words in page.text
    assert len(page.all("figure")) == len(page.all("svg")) == 3
    assert sum(name == "rect" for name, *_ in page.elements) >= 256
    assert "dashed" not in Page(section_format(load_format("int8"), None)).text


def sqnr(x, decoded):
    x, decoded = x.astype(np.float64), decoded.astype(np.float64)
    return 10 * math.log10((x**2).sum() / ((x - decoded) ** 2).sum())


def test_sqnr_is_that_of_what_the_unit_makes_of_its_inputs(captured):
    got = measure(captured, FP16, None)
    assert list(got.columns) == ["this unit", "se8, best s", "int8, best s", "limit"]
    for number, x in enumerate(captured.tensors.values()):
        codes = array.quantize(x.astype(np.float16), FP16.format, FP16.scale)
        want = sqnr(x, array.dequantize(codes, FP16.format, FP16.scale))
        assert got.columns["this unit"][number] == pytest.approx(want, rel=1e-9)
        best = Scale.from_step(got.best[number])
        want = sqnr(x, array.dequantize(array.quantize(x, FP16.format, best), FP16.format, best))
        assert got.columns["se8, best s"][number] == pytest.approx(want, rel=1e-9)
        assert got.columns["this unit"][number] < want < got.columns["limit"][number]


def test_fixed_point_with_an_exponent(captured):
    config = EncoderConfig(format=load_format("se8"), input=input_type("s16e-8"), scale=Scale.from_step(0.03))
    x = captured.tensors["layers.1.x"]
    integers = np.clip(np.rint(x.astype(np.float64) * 256), -32768, 32767).astype(np.int16)
    codes = array.quantize(integers, config.format, config.scale, exponent=-8)
    got = measure(captured, config, None).columns["this unit"][1]
    assert got == pytest.approx(sqnr(x, array.dequantize(codes, config.format, config.scale)), rel=1e-9)


def test_whose_scale(captured, calibration):
    known = read_calibration(calibration)
    s16 = EncoderConfig(format=FP16.format, input=input_type("s16"), scale=FP16.scale)
    assert scales(FP16, None, 2) == [SegmentedQuantizer(format=FP16.format, scale=FP16.scale)] * 2
    assert scales(DecoderConfig(format=FP16.format), known, 2) == [known.layer(n).quantizer for n in (0, 1)]
    nobody = [DecoderConfig(format=FP16.format), EncoderConfig(format=FP16.format, input=FP16.input), s16]
    nobody.append(QuantizerConfig(format=FP16.format, input=FP16.input, scale=FP16.scale))
    assert all(scales(config, None, 2) is None for config in nobody)
    assert scales(s16, known, 2) is None


def test_as_calibrated(captured, calibration):
    known = read_calibration(calibration)
    choice = known.layer(1)
    got = measure(captured, DecoderConfig(format=choice.format, scale=choice.scale), known)
    assert got.columns["as calibrated"][1] == pytest.approx(choice.sqnr_db, abs=0.05)  # of a histogram, there


def test_layers_are_named(captured):
    broken = Activations(
        tensors={"layers.0.x": np.ones((2, 3)), "layers.1.x": np.zeros((2, 3))}, metadata={}, origin=""
    )
    with pytest.raises(ValueError, match=r"^Layer 1: Activations must not all be zero"):
        measure(broken, FP16, None)


def test_the_accuracys_section(captured):
    page = Page(section_accuracy(measure(captured, FP16, None), FP16))
    assert "<b>here</b>" in page.text
    assert len(page.all("li")) == 4
    nothing = Accuracy(origin="", shape=(1, 1), columns={"this unit": [math.inf, math.inf]}, best=[1.0, 1.0])
    assert "nothing lost" in section_accuracy(nothing, FP16)
    assert "inf" not in picture(nothing)
