"""What to build, as one object."""

import dataclasses
import json

import pytest

from golden.errors import InputError
from golden.inputs import input_type
from golden.presets import format_from_json
from golden.scale import Scale
from rtl_gen.decoder import Decoder
from rtl_gen.encoder import Encoder
from rtl_gen.unit import UNITS, UnitConfig
from tests.rtl_gen.bench import refused, used
from tests.rtl_gen.formats import make

SE8, FP16 = make("se8"), input_type("fp16")


@pytest.mark.parametrize("unit", ["", "quantiser", "Encoder", None, 3])
def test_unknown_unit(unit):
    text = f"Unit must be one of encoder, decoder, not {unit!r}"
    refused(InputError, text, lambda: UnitConfig(unit=unit, format=SE8, input=FP16))


def test_an_encoder_needs_an_input():
    text = "Input type must be given for an encoder, e.g. fp32, bf16 or s16, not None"
    refused(InputError, text, lambda: UnitConfig(unit="encoder", format=SE8))


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"lanes": 0}, InputError, "Lanes must be from 1 to 1024, not 0"),
        ({"lanes": 1.5}, TypeError, "'float' object cannot be interpreted as an integer"),
        ({"counter_width": 65}, InputError, "Counter width must be from 0 (no counter) to 64, not 65"),
        ({"scale_bits": 21}, InputError, "Scale bits must be from 1 to 20, not 21"),
        ({"format": "se8"}, TypeError, "Format must be a SegmentedFormat, not 'se8'"),
        ({"input": "fp16"}, TypeError, "Input must be an InputType, not 'fp16'"),
        ({"scale": 0.5}, TypeError, "Scale must be a Scale or None, not 0.5"),
    ],
)
def test_the_component_refuses(change, error, text):
    config = UnitConfig(**{"unit": "encoder", "format": SE8, "input": FP16} | change)
    refused(error, text, lambda: config.component())


def test_components():
    scale = Scale.from_step(0.1, 9)
    config = UnitConfig(unit="encoder", format=SE8, input=FP16, scale=scale, lanes=3, counter_width=5)
    encoder = used(config.component())
    assert type(encoder) is Encoder
    members = (encoder.format, encoder.input, encoder.scale, encoder.scale_bits, encoder.lanes, encoder.counter_width)
    assert members == (SE8, FP16, scale, 9, 3, 5)
    runtime = used(dataclasses.replace(config, scale=None, scale_bits=7).component())
    assert (runtime.scale, runtime.scale_bits) == (None, 7)
    decoder = used(dataclasses.replace(config, unit="decoder").component())
    assert type(decoder) is Decoder
    assert (decoder.format, decoder.lanes) == (SE8, 3)


def test_names_and_scale_ports():
    assert UNITS == ("encoder", "decoder")
    encoder = UnitConfig(unit="encoder", format=SE8, input=FP16)
    assert (encoder.top, encoder.runtime_scale) == ("qse_encoder", True)
    assert not dataclasses.replace(encoder, scale=Scale.from_step(1)).runtime_scale
    decoder = UnitConfig(unit="decoder", format=SE8)
    assert (decoder.top, decoder.runtime_scale) == ("qse_decoder", False)


def test_parameters():
    constant = UnitConfig(unit="encoder", format=SE8, input=FP16, scale=Scale(M=200, k=9, bits=8), lanes=2)
    document = json.loads(json.dumps(constant.parameters()))
    assert format_from_json(document.pop("format")) == SE8
    assert document == {
        "unit": "encoder", "lanes": 2, "input": "fp16", "scale": {"M": 200, "k": 9, "bits": 8}, "scale_bits": 8,
        "counter_width": 32,
    }  # fmt: skip
    runtime = dataclasses.replace(constant, scale=None, scale_bits=12).parameters()
    assert (runtime["scale"], runtime["scale_bits"]) == ("runtime", 12)
    decoder = dataclasses.replace(constant, unit="decoder").parameters()
    assert set(decoder) == {"unit", "format", "lanes"}
