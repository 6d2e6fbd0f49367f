"""A decoder's configuration: component, manifest, vectors."""

import json

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import format_from_json
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.decoder import Decoder
from qse_hw.rtl_gen.emit.unit import unit_class
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import scale_json
from tests.rtl_gen.bench import refused, used
from tests.rtl_gen.formats import make

SE8 = make("se8")


@pytest.mark.parametrize(
    ("parameters", "error", "text"),
    [
        ({"format": SE8, "lanes": 0}, InputError, "Lanes must be from 1 to 1024, not 0"),
        ({"format": SE8, "lanes": 1.5}, TypeError, "'float' object cannot be interpreted as an integer"),
        ({"format": "se8"}, TypeError, "Format must be a SegmentedFormat, not 'se8'"),
    ],
)
def test_the_component_refuses(parameters, error, text):
    refused(error, text, lambda: DecoderConfig(**parameters).component())


def test_component():
    decoder = used(DecoderConfig(format=SE8, lanes=3).component())
    assert type(decoder) is Decoder
    assert (decoder.config.format, decoder.config.lanes) == (SE8, 3)


def test_names():
    assert unit_class("decoder") is DecoderConfig
    config = DecoderConfig(format=SE8)
    assert (config.unit, config.top, config.label, config.lanes) == ("decoder", "qse_decoder", "decoder se8", 1)
    assert DecoderConfig(format=SE8, lanes=5).label == "decoder se8 x5"


def test_parameters():
    document = json.loads(json.dumps(DecoderConfig(format=SE8, lanes=2).parameters()))
    assert format_from_json(document.pop("format")) == SE8
    assert document == {"unit": "decoder", "lanes": 2, "target": "generic"}


def test_facts():
    facts = json.loads(json.dumps(DecoderConfig(format=SE8).facts()))
    assert list(facts) == ["format", "scale"]
    assert facts["scale"] is None
    scale = Scale.from_step(0.1)
    assert DecoderConfig(format=SE8, scale=scale).facts()["scale"] == scale_json(scale)
    assert facts["format"]["fraction_bits"] == SE8.fraction_bits


def test_meanings():
    """Meanings state a lane's type and width, which the port's width does not give."""
    assert DecoderConfig(format=SE8, lanes=5).meanings() == {
        "i__payload": "codes, 8 bits each, lane 0 in the low bits",
        "o__payload": "integers in fine steps, two's complement, 11 bits each, lane 0 in the low bits",
        "clear": "clears invalid",
    }
