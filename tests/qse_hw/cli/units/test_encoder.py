"""The encoder's options."""

import argparse

import pytest

from qse_hw.golden.calibration.calibration import read_calibration
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import int8, se8
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from tests.qse_hw.cli.units.options import config_of


def test_defaults():
    want = EncoderConfig(format=se8(), input=input_type("fp32"), scale=Scale.from_step(0.5))
    assert config_of("encoder", "--scale", "0.5") == want


def test_everything_is_passed_on():
    words = ("--format", "int8", "--input", "s12e-4", "--lanes", 5, "--scale", 0.3, "--scale-bits", 9)
    how = ("--arch", "parallel", "--target", "ecp5", "--pipeline", 2)
    want = EncoderConfig(
        format=int8(), input=input_type("s12e-4"), lanes=5, scale=Scale.from_step(0.3, 9), scale_bits=9,
        counter_width=7, arch="parallel", target="ecp5", pipeline=2,
    )  # fmt: skip
    assert config_of("encoder", *words, "--counter-width", 7, *how) == want


def test_a_scale_at_run_time():
    got = config_of("encoder", "--scale", "runtime", "--scale-bits", "7")
    assert (got.scale, got.scale_bits) == (None, 7)


@pytest.mark.parametrize("format", [(), ("--format", "se8"), ("--format", "se8:L=12")])
def test_a_calibration(calibration, format):
    choice = read_calibration(calibration).layer(1)
    got = config_of("encoder", "--calibration", calibration, "--layer", "1", *format)
    assert (got.format, got.scale) == (choice.format, choice.scale)
    assert got.format == se8(12)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Scale must be given: --scale S, --scale runtime or --calibration FILE --layer K"),
        (("--scale", "x"), "Scale must be a number, not 'x'"),
        (("--scale", "1", "--layer", "0"), "Layer 0 needs a calibration: give --calibration FILE"),
        (("--calibration", "c", "--layer", "0", "--scale", "1"),
         "Scale must come from the calibration or from --scale 1, not from both"),
        # of no use with a constant scale, but wrong all the same
        (("--scale", "runtime", "--scale-bits", "0"), "Scale bits must be from 1 to 20, not 0"),
        (("--calibration", "c", "--layer", "0", "--scale-bits", "0"), "Scale bits must be from 1 to 20, not 0"),
    ],
)  # fmt: skip
def test_what_does_not_fit(words, sentence):
    with pytest.raises(InputError) as caught:
        config_of("encoder", *words)
    assert str(caught.value) == sentence


def test_a_pipeline_is_a_number():
    with pytest.raises(argparse.ArgumentError, match="--pipeline: must be an integer, not 'deep'"):
        config_of("encoder", "--pipeline", "deep")
