"""The linear unit's options."""

import argparse

import pytest

from qse_hw.golden.calibration.calibration import read_calibration
from qse_hw.golden.formats.presets import int8, se8
from qse_hw.rtl_gen.units.linear import LinearConfig
from tests.qse_hw.cli.units.options import config_of

SHAPE = ("--inputs", 8, "--outputs", 6)


def test_defaults():
    assert config_of("linear", *SHAPE) == LinearConfig(format=se8(), inputs=8, outputs=6)


def test_everything_is_passed_on():
    words = ("--format", "int8", *SHAPE, "--rows", 3, "--columns", 4, "--target", "ecp5")
    want = LinearConfig(format=int8(), inputs=8, outputs=6, rows=3, columns=4, target="ecp5")
    assert config_of("linear", *words) == want


def test_a_calibration(calibration):
    got = config_of("linear", *SHAPE, "--calibration", calibration, "--layer", 1)
    assert got == LinearConfig(format=read_calibration(calibration).layer(1).format, inputs=8, outputs=6)


def test_the_shape_must_be_given():
    with pytest.raises((SystemExit, argparse.ArgumentError), match=r"2|--outputs"):
        config_of("linear", "--inputs", 8)
