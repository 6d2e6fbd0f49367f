"""The decoder's options."""

import pytest

from qse_hw.golden.calibration.calibration import read_calibration
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import int8, se8
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from tests.qse_hw.cli.units.options import config_of


def test_defaults():
    assert config_of("decoder") == DecoderConfig(format=se8())


def test_everything_is_passed_on():
    assert config_of("decoder", "--format", "int8", "--lanes", 5) == DecoderConfig(format=int8(), lanes=5)


@pytest.mark.parametrize("layer", [0, 1])
def test_a_calibration(calibration, layer):
    got = config_of("decoder", "--calibration", calibration, "--layer", layer)
    choice = read_calibration(calibration).layer(layer)
    assert got == DecoderConfig(format=choice.format, scale=choice.scale)


@pytest.mark.parametrize("format", [(), ("--format", "se8"), ("--format", "se8:L=12")])
def test_a_format_beside_a_calibration(calibration, format):
    layers = [read_calibration(calibration).layer(number) for number in range(2)]
    got = config_of("decoder", "--calibration", calibration, "--layer", "1", *format)
    assert (got.format, got.scale) == (layers[1].format, layers[1].scale)
    assert got.format == se8(12)
    assert got.scale != layers[0].scale


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--layer", 0), "Layer 0 needs a calibration: give --calibration FILE"),
        (("--calibration", "c"), "Layer must be given with a calibration, e.g. --layer 0"),
        (("--calibration", "nowhere", "--layer", 0), "Calibration nowhere cannot be read"),
        (("--format", "int9"), "Format must be one of "),
    ],
)
def test_what_does_not_fit(words, sentence):
    with pytest.raises(InputError, match=f"^{sentence}"):
        config_of("decoder", *words)


def test_an_encoders_options_are_not_taken():
    with pytest.raises(SystemExit, match="2"):
        config_of("decoder", "--scale", "1")
