"""Options are written once: all that follows from the dataclass of a toy unit and of the shipped units."""

import argparse
import dataclasses
import sys
from fractions import Fraction

import numpy as np
import pytest

from qse_hw.cli import grid as cli_grid
from qse_hw.cli.units import add_unit_parsers, unit_config
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit import unit as registry
from qse_hw.rtl_gen.emit.emit import emit, manifest
from qse_hw.rtl_gen.emit.unit import UNITS, unit_class
from qse_hw.rtl_gen.units.option_kinds import Integer, Step
from qse_hw.rtl_gen.units.options import REQUIRED, Option, configure, from_json, option, options, read, to_json
from qse_hw.study.sweep import plan, spec
from tests.rtl_gen.formats import make
from tests.rtl_gen.units import adder
from tests.rtl_gen.units.adder import AdderConfig

BF16 = input_type("bf16")
EXAMPLES = {
    "encoder": {"format": make("se8"), "input": BF16, "scale": Scale.from_step(0.1, 9), "pipeline": 1},
    "decoder": {"format": make("se8"), "lanes": 3},
    "linear": {"format": make("se8"), "inputs": 8, "outputs": 4, "rows": 2},
    "hadamard": {"size": 24, "transpose": True},
    "quantizer": {"format": make("se8"), "input": BF16, "scale": Scale.from_step(0.1)},
    "function": {
        "function": "exp2", "input": input_type("s8e-4"), "output": input_type("s8e-6"), "error": Fraction(1, 32),
        "high": Fraction(0),
    },
    "convolution": {"channels": 12, "taps": 3, "lanes": 2},
    "rmsnorm": {"format": make("se8"), "size": 12, "eps": 9, "degree": 2},
    "scan": {"channels": 12, "layers": 2, "lanes": 4, "state_bits": 24},
    "argmax": {"size": 12, "width": 16, "lanes": 3},
    "residual": {"size": 20, "width": 16, "lanes": 2},
    "matvec": {"sizes": (12, 3), "rows": 2, "width": 9},
    "time_step": {"channels": 12, "lanes": 3},
    "activation": {"format": make("se8"), "lanes": 3},
    "gate": {"input": input_type("s12e-8"), "output": input_type("s14e-9"), "error": Fraction(1, 256)},
}  # fmt: skip


@pytest.fixture
def known(monkeypatch):
    """The toy unit is one of the units: a module in the units' package, a name in their list."""
    monkeypatch.setitem(sys.modules, "qse_hw.rtl_gen.units.adder", adder)
    every = (*UNITS, "adder")
    monkeypatch.setattr(registry, "UNITS", every)
    monkeypatch.setattr(cli_grid, "SYNTHESIZED", (*every, *registry.WHOLE))
    monkeypatch.setitem(spec.SCHEMA["properties"]["unit"], "enum", list(every))


@pytest.fixture
def parser(known):
    made = argparse.ArgumentParser(exit_on_error=False)
    add_unit_parsers(made, lambda unit: None, names=("adder",))
    return made


def test_a_new_units_command_line(parser, capsys):
    with pytest.raises(SystemExit, match="0"):
        parser.parse_args(["adder", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "Values plus a constant." in said
    for line in (
        "--input T fp32, fp16, bf16, sW or sWeE (default fp32)",
        "--addend-value A what is added",
        "--overflow O what becomes of a carry (default wrap)",
        "--negative subtract instead",
    ):
        assert line in said
    assert "--calibration" not in said
    words = ["--input", "s8", "--addend-value", "7", "--negative"]
    got = unit_config(parser.parse_args(["adder", *words]))
    assert got == AdderConfig(input=input_type("s8"), addend_value=7, negative=True)
    assert unit_config(parser.parse_args(["adder", "--addend-value", "7"])).input == input_type("fp32")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "the following arguments are required: --addend-value"),
        (["--addend-value", "x"], "argument --addend-value: must be an integer, not 'x'"),
        (["--addend-value", "256"], "Addend value must be from 0 to 255, not 256"),
        (["--addend-value", "1", "--overflow", "stop"], "Overflow must be one of wrap, zero, not 'stop'"),
        (["--addend-value", "1", "--input", "s99"], "Input type sW must have a width"),
    ],
)
def test_a_new_units_refusals(parser, capsys, words, sentence):
    with pytest.raises((InputError, SystemExit)) as caught:
        unit_config(parser.parse_args(["adder", *words]))
    said = str(caught.value) if isinstance(caught.value, InputError) else capsys.readouterr().err
    assert sentence in said


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"addend_value": 256}, InputError, "Addend value must be from 0 to 255, not 256"),
        ({"addend_value": 1.0}, TypeError, "'float' object cannot be interpreted as an integer"),
        ({"overflow": "stop"}, InputError, "Overflow must be one of wrap, zero, not 'stop'"),
        ({"negative": 1}, TypeError, "Negative must be a bool, not 1"),
        ({"input": "s8"}, TypeError, "Input must be an InputType, not 's8'"),
    ],
)
def test_a_new_units_configuration_is_checked(change, error, sentence):
    with pytest.raises(error, match=sentence):
        AdderConfig(**{"input": input_type("s8"), "addend_value": 1} | change)
    with pytest.raises(TypeError, match="addend_value"):
        AdderConfig(input=input_type("s8"))


def test_a_new_units_manifest():
    document = manifest(emit(AdderConfig(input=input_type("s8"), addend_value=np.int64(7))))
    assert document["parameters"] == {
        "unit": "adder", "input": "s8", "addend_value": 7, "overflow": "wrap", "negative": False
    }  # fmt: skip
    assert list(document["parameters"]) == ["unit", "input", "addend_value", "overflow", "negative"]


def test_a_new_units_grid(known):
    parser = argparse.ArgumentParser()
    cli_grid.add_grid_arguments(parser)
    args = parser.parse_args(["adder", "--input", "s8", "bf16", "--addend-value", "1", "2"])
    configs = cli_grid.grid(args.units, vars(args))
    assert [(config.input.name, config.addend_value) for config in configs] == [
        ("s8", 1), ("s8", 2), ("bf16", 1), ("bf16", 2)
    ]  # fmt: skip


def test_a_new_units_sweep(known, tmp_path):
    file = tmp_path / "s.toml"
    text = 'unit = "adder"\ntargets = ["ecp5"]\n[objectives]\nminimise = ["comb"]\n[options]\n'
    file.write_text(text + 'input = "s8"\naddend-value = [1, 2]\nnegative = [true, false]\n')
    sweep = spec.read_spec(file)
    assert sweep.options == {"input": ["s8"], "addend-value": [1, 2], "negative": [True, False]}
    made = [plan.config("adder", chosen) for chosen in plan.combinations(sweep)]
    assert [(config.addend_value, config.negative) for config in made] == [
        (1, True), (1, False), (2, True), (2, False)
    ]  # fmt: skip
    for line, sentence in (
        ('addend-value = "x"', "Option addend-value must be an integer, not 'x'"),
        ("negative = 1", "Option negative must be true or false, not 1"),
        ("addend = 1", "Option must be one of adder's: addend-value, input, negative, overflow; not 'addend'"),
    ):
        file.write_text(text + line)
        with pytest.raises(InputError, match=sentence):
            spec.read_spec(file)
    with pytest.raises(InputError, match="Option --addend-value must be given for unit adder"):
        plan.config("adder", {"input": "s8"})


@pytest.mark.every(3)
@pytest.mark.parametrize("name", UNITS)
def test_parameters_can_be_read_back(name):
    """Every unit that ships: the manifest's parameters and what they describe."""
    config = unit_class(name)(**EXAMPLES[name])
    assert unit_class(name)(**from_json(type(config), to_json(config))) == config
    assert config.parameters() == {"unit": name, **to_json(config)}


@pytest.mark.parametrize("name", UNITS)
def test_every_option_is_a_field(name):
    """Except options that are only needed to read text."""
    config = unit_class(name)
    fields = {field.name: field for field in dataclasses.fields(config)}
    only_text = {key for one in options(config).values() for key in one.text_options}
    assert options(config).keys() - fields.keys() == only_text - fields.keys()
    assert only_text == ({"scale_bits"} if name == "quantizer" else set())
    assert all(one.help and not one.help.endswith(".") for one in options(config).values())


def test_a_scale_as_text():
    """A scale's text is its step; option scale_bits gives M's width."""

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config:
        unit = "toy"
        scale: Scale = option(kind=Step(), help="s", text_options={"scale_bits": Option(kind=Integer(1, 20), help="b",
                                                                                        default=16)})  # fmt: skip

    assert options(Config)["scale"].default_as_text is REQUIRED
    values = read(Config, {"scale": "0.25", "scale_bits": 8})
    assert configure(Config, values) == Config(scale=Scale.from_step(0.25, 8))
    with pytest.raises(InputError, match="Option --scale must be given for unit toy"):
        read(Config, {})
    with pytest.raises(InputError, match="Scale bits must be from 1 to 20, not 21"):
        read(Config, {"scale": "0.25", "scale_bits": 21})
    assert read(Config, {"scale_bits": 3}, names=("scale_bits",)) == {"scale_bits": 3}
    assert read(Config, {"scale": "1"}, names=("scale",), others={"scale_bits": 3})["scale"].bits == 3


def test_a_shared_option_with_a_change():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config:
        width: int = option(Option(kind=Integer(1, 8), help="h", metavar="B", default=4), default=2)

    declared = options(Config)["width"]
    assert (Config().width, declared.default_as_text, declared.help, declared.metavar) == (2, 2, "h", "B")
