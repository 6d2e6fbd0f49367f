"""The units on the command line: their names, and the configurations that their arguments give."""

import argparse

import pytest

from qse_hw.cli.units import add_unit_parsers, unit_config
from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.unit import UNITS, unit_class


@pytest.fixture
def parser():
    made = argparse.ArgumentParser()
    add_unit_parsers(made, lambda unit: unit.add_argument("--color", default="red") and None)
    return made


def test_every_unit_is_offered(parser):
    said = " ".join(parser.format_help().split())
    assert said.endswith(" ".join(f"{name} {unit_class(name).summary}" for name in UNITS))


@pytest.mark.parametrize("name", ["", "multiplier", "Encoder", "enc"])
def test_an_unknown_unit_is_one_sentence(parser, name):
    text = f"^Unit must be one of {', '.join(UNITS)}, not {name!r}$"
    with pytest.raises(InputError, match=text):
        parser.parse_args([name, "--lanes", "2"])


def test_a_units_own_options_and_the_common_ones(parser):
    args = parser.parse_args(["decoder", "--lanes", "7", "--color", "blue"])
    assert (args.unit, args.lanes, args.color) == ("decoder", 7, "blue")
    assert parser.parse_args(["encoder", "--scale", "1"]).color == "red"
    assert not hasattr(args, "scale_bits")


@pytest.mark.parametrize(
    "words",
    [
        ("encoder", "--scale", "1"), ("decoder",), ("linear", "--inputs", "4", "--outputs", "4"),
        ("hadamard", "--size", "16"), ("quantizer",),
        ("function", "--function", "exp2", "--input", "s8e-4", "--output", "s8e-6", "--error", "2^-5"),
        ("convolution", "--channels", "8"), ("rmsnorm", "--size", "8", "--eps", "1"), ("scan", "--channels", "8"),
        ("argmax", "--size", "8"),
        ("residual", "--size", "8"),
        ("matvec", "--sizes", "8,9"),
        ("time_step", "--channels", "8"),
        ("activation",),
        ("gate",),
    ],
)  # fmt: skip
def test_the_config_is_the_units(parser, words):
    assert unit_config(parser.parse_args(words)).unit == words[0]
