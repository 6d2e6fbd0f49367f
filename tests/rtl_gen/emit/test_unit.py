"""The list of units and their configuration classes."""

import dataclasses
from importlib import import_module

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.unit import UNITS, WHOLE, UnitConfig, check_unit, unit_class


def test_the_units():
    assert UNITS == (
        "encoder", "decoder", "linear", "hadamard", "quantizer", "function", "convolution", "rmsnorm",
        "argmax", "residual", "matvec", "time_step", "activation", "gate",
        "scan",
    )  # fmt: skip


@pytest.mark.parametrize("name", UNITS)
def test_each_unit_has_its_class(name):
    config = unit_class(name)
    assert issubclass(config, UnitConfig)
    assert config is import_module(f"qse_hw.rtl_gen.units.{name}").CONFIG
    assert config.unit == check_unit(name) == name
    assert dataclasses.is_dataclass(config)
    assert config.__dataclass_params__.frozen
    assert "lanes" in {field.name for field in dataclasses.fields(config)} or isinstance(config.lanes, property)
    assert not config.__abstractmethods__


@pytest.mark.parametrize("name", ["", "quantizers", "Encoder", "os", None, 3])
def test_unknown_units(name):
    for look_up, names in ((check_unit, UNITS), (unit_class, (*UNITS, *WHOLE))):
        with pytest.raises(InputError, match=f"^Unit must be one of {', '.join(names)}, not {name!r}$"):
            look_up(name)


def test_what_a_unit_need_not_have():
    class Plain(UnitConfig):
        unit = "plain"
        lanes = 1
        label = "plain"
        component = vectors = None

    config = Plain()
    assert config.top == "qse_plain"
    assert (config.facts(), dict(config.meanings()), config.files()) == ({}, {}, {})
    assert config.initiation_interval == 1
