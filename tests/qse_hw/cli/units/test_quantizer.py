"""The options of the quantizer with buses."""

import pytest

from qse_hw.golden.calibration.calibration import read_calibration
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import se8, se8_silu
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from tests.qse_hw.cli.units.options import config_of


def test_defaults():
    want = QuantizerConfig(format=se8(), input=input_type("fp32"), scale=Scale.from_step(1))
    assert config_of("quantizer") == want
    assert want.label == "quantizer se8 fp32"


def test_everything_is_passed_on():
    words = ("--format", "se8-silu", "--input", "s12e-4", "--lanes", 5, "--scale", 0.3, "--scale-bits", 9)
    want = QuantizerConfig(
        format=se8_silu(), input=input_type("s12e-4"), lanes=5, scale=Scale.from_step(0.3, 9), target="ecp5", pipeline=2
    )
    assert config_of("quantizer", *words, "--target", "ecp5", "--pipeline", 2) == want
    assert want.label == "quantizer se8-silu s12e-4 ecp5 pipeline=2 x5"


def test_a_calibration(calibration):
    choice = read_calibration(calibration).layer(1)
    got = config_of("quantizer", "--calibration", calibration, "--layer", "1")
    assert (got.format, got.scale) == (choice.format, choice.scale)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--scale", "x"), "Scale must be a number, not 'x'"),
        (("--scale", "runtime"), "Scale must be a number, not 'runtime'"),
        (("--scale", "1", "--layer", "0"), "Layer 0 needs a calibration: give --calibration FILE"),
        (("--calibration", "c", "--layer", "0", "--scale", "1"),
         "Scale must come from the calibration or from --scale 1, not from both"),
        (("--scale-bits", "0"), "Scale bits must be from 1 to 20, not 0"),
    ],
)  # fmt: skip
def test_what_does_not_fit(words, sentence):
    with pytest.raises(InputError) as caught:
        config_of("quantizer", *words)
    assert str(caught.value) == sentence
