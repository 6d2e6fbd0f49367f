"""The Hadamard transform's options."""

import argparse

import pytest

from qse_hw.rtl_gen.units.hadamard import HadamardConfig
from tests.qse_hw.cli.units.options import config_of


def test_defaults():
    assert config_of("hadamard", "--size", 512) == HadamardConfig(size=512, width=8)


def test_everything_is_passed_on():
    words = ("--size", 24, "--width", 5, "--lanes", 2, "--transpose", "--target", "ecp5")
    want = HadamardConfig(size=24, width=5, lanes=2, transpose=True, target="ecp5")
    assert config_of("hadamard", *words) == want


def test_the_size_must_be_given():
    with pytest.raises((SystemExit, argparse.ArgumentError), match=r"2|--size"):
        config_of("hadamard")
