"""An encoder's configuration: component, manifest, vectors."""

import dataclasses
import json

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import format_from_json
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.unit import unit_class
from qse_hw.rtl_gen.encoder import Encoder
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from tests.rtl_gen.bench import refused, used
from tests.rtl_gen.formats import make

SE8, FP16 = make("se8"), input_type("fp16")
PLAIN = EncoderConfig(format=SE8, input=FP16)
FULL = EncoderConfig(format=SE8, input=FP16, scale=Scale(M=200, k=9, bits=8), lanes=2)


@pytest.mark.every(3)
@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"lanes": 0}, InputError, "Lanes must be from 1 to 1024, not 0"),
        ({"lanes": 1.5}, TypeError, "'float' object cannot be interpreted as an integer"),
        ({"counter_width": 65}, InputError, "Counter width must be from 0 (no counter) to 64, not 65"),
        ({"scale_bits": 21}, InputError, "Scale bits must be from 1 to 20, not 21"),
        ({"format": "se8"}, TypeError, "Format must be a SegmentedFormat, not 'se8'"),
        ({"input": "fp16"}, TypeError, "Input must be an InputType, not 'fp16'"),
        ({"input": None}, TypeError, "Input must be an InputType, not None"),
        ({"scale": 0.5}, TypeError, "Scale must be a Scale or None, not 0.5"),
        ({"arch": "wide"}, InputError, "Arch must be one of fused, parallel, not 'wide'"),
        ({"arch": "parallel"}, InputError, "Scale must be a constant for arch parallel, which compares with it, not"),
        ({"target": "ice40"}, InputError, "Target must be one of generic, ecp5, not 'ice40'"),
        ({"pipeline": -1}, InputError, "Pipeline must be from 0 to "),
    ],
)
def test_the_component_refuses(change, error, text):
    refused(error, text, lambda: dataclasses.replace(PLAIN, **change).component())


def test_what_must_be_given():
    with pytest.raises(TypeError, match="input"):
        EncoderConfig(format=SE8)
    with pytest.raises(TypeError, match="positional"):
        EncoderConfig(SE8, FP16)


def test_components():
    scale = Scale.from_step(0.1, 9)
    encoder = used(dataclasses.replace(PLAIN, scale=scale, lanes=3, counter_width=5).component())
    assert type(encoder) is Encoder
    made = encoder.config
    members = (made.format, made.input, made.scale, made.scale_bits, made.lanes, made.counter_width)
    assert members == (SE8, FP16, scale, 9, 3, 5)
    runtime = used(dataclasses.replace(PLAIN, scale_bits=7).component())
    assert (runtime.config.scale, runtime.config.scale_bits) == (None, 7)


def test_the_implementation_reaches_the_component():
    slow, fast = (used(dataclasses.replace(FULL, pipeline=depth).component()) for depth in (0, 3))
    assert fast.latency == slow.latency + 3
    changed = used(dataclasses.replace(FULL, arch="parallel", target="ecp5").component())
    assert (changed.config.arch, changed.geometry.target) == ("parallel", "ecp5")


def test_names():
    assert unit_class("encoder") is EncoderConfig
    assert (PLAIN.unit, PLAIN.top, PLAIN.label) == ("encoder", "qse_encoder", "encoder se8 fp16 scale=runtime")
    assert FULL.label == "encoder se8 fp16 x2"


def test_the_label_tells_what_is_not_the_default():
    changed = dataclasses.replace(FULL, arch="parallel", target="ecp5", pipeline=3, lanes=4)
    assert changed.label == "encoder se8 fp16 parallel ecp5 pipeline=3 x4"
    changed = dataclasses.replace(PLAIN, target="ecp5", pipeline=3, lanes=4)
    assert changed.label == "encoder se8 fp16 scale=runtime ecp5 pipeline=3 x4"


def test_parameters():
    document = json.loads(json.dumps(FULL.parameters()))
    assert format_from_json(document.pop("format")) == SE8
    assert document == {
        "unit": "encoder", "lanes": 2, "input": "fp16", "scale": {"M": 200, "k": 9, "bits": 8}, "scale_bits": 8,
        "counter_width": 32, "arch": "fused", "target": "generic", "pipeline": None,
    }  # fmt: skip
    runtime = dataclasses.replace(FULL, scale=None, scale_bits=12).parameters()
    assert (runtime["scale"], runtime["scale_bits"]) == ("runtime", 12)


def test_facts():
    facts = json.loads(json.dumps(FULL.facts()))
    assert facts["scale"] == {"M": 200, "k": 9, "bits": 8, "step": 512 / 200}
    assert facts["format"]["zero_code"] == SE8.zero_code
    assert {int(code): value for code, value in facts["format"]["values"].items()} == SE8.decoded
    assert PLAIN.facts()["scale"] is None


def test_meanings():
    """Meanings state a lane's type and width, which the port's width does not give."""
    assert FULL.meanings() == {
        "i__payload": "values, fp16, 16 bits each, lane 0 in the low bits",
        "o__payload": "codes, 8 bits each, lane 0 in the low bits",
    }
