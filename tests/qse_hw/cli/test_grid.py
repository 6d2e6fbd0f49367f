import argparse

import pytest

from qse_hw.cli.grid import add_grid_arguments, grid
from qse_hw.cli.units import arguments
from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.unit import UNITS, WHOLE


def configs(*words):
    parser = argparse.ArgumentParser()
    add_grid_arguments(parser)
    args = parser.parse_args(words)
    return grid(args.units, vars(args))


def labels(*words):
    return [config.label for config in configs(*words)]


def test_every_combination():
    inputs = ["--input", "s16", "bf16", "--scale", "0.5"]
    units = labels("encoder", "--format", "se8", "int8", *inputs, "--lanes", "1", "4")
    assert units == [
        f"encoder {format} {input}{lanes}"
        for format in ("se8", "int8")
        for input in ("s16", "bf16")
        for lanes in ("", " x4")
    ]


def test_several_units():
    """An option that only one of the units has applies to that one."""
    units = configs("encoder", "decoder", "--format", "se8", "int8", "--scale", "runtime", "--scale-bits", "4", "8")
    assert [config.unit for config in units] == ["encoder"] * 4 + ["decoder"] * 2
    assert [config.scale_bits for config in units[:4]] == [4, 8, 4, 8]


def test_one_value_each_is_what_gen_takes():
    (config,) = configs("hadamard", "--size", "48", "--transpose")
    assert (config.size, config.width, config.transpose) == (48, 8, True)
    assert [config.transpose for config in configs("hadamard", "--size", "48", "96")] == [False, False]


@pytest.mark.parametrize("unit", [*UNITS, *WHOLE])
def test_every_option_is_offered(unit):
    parser = argparse.ArgumentParser()
    add_grid_arguments(parser)
    assert arguments(unit)
    assert all(flag in parser.format_help() for flag in arguments(unit))


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["adder"], f"Unit must be one of {', '.join((*UNITS, *WHOLE))}, not 'adder'"),
        (["decoder", "--size", "8"], "Option --size must be one that unit decoder has; leave it out"),
        (["decoder", "encoder", "--size", "8"], "Option --size must be one that unit decoder or encoder has"),
        (["hadamard"], "Option --size must be given for unit hadamard"),
        (["encoder", "--scale", "1", "0"], "Scale must be finite and positive, not 0.0"),
        (["encoder", "--scale", "1", "--format", "se8", "int9"], "Format must be one of"),
        (["encoder"], "Scale must be given"),
    ],
)
def test_what_cannot_be(words, match):
    with pytest.raises(InputError, match=match):
        configs(*words)
