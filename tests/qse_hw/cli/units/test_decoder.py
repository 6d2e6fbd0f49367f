"""The decoder's options."""

import pytest

from qse_hw.golden.calibration.calibration import read_calibration
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


def test_an_encoders_options_are_not_taken():
    with pytest.raises(SystemExit, match="2"):
        config_of("decoder", "--scale", "1")
