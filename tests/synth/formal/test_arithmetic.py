"""The arithmetic of the mixer's units: every part is proved, every definition catches a fault."""

import re

import numpy as np
import pytest

from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.functions.exponential import EXP2
from qse_hw.rtl_gen.units.convolution import ConvolutionConfig
from qse_hw.rtl_gen.units.gate import GateConfig
from qse_hw.rtl_gen.units.linear import LinearConfig
from qse_hw.rtl_gen.units.residual import ResidualConfig
from qse_hw.rtl_gen.units.rmsnorm import RmsnormConfig
from qse_hw.rtl_gen.units.scan import ScanConfig
from qse_hw.rtl_gen.units.time_step import TimeStepConfig
from qse_hw.synth.formal import arithmetic
from qse_hw.synth.formal.harness import shipped
from qse_hw.synth.formal.task import run
from tests.synth.formal.units import decoder

SE8 = load_format("se8")
UNITS = [
    LinearConfig(format=SE8, inputs=8, outputs=4),
    ConvolutionConfig(channels=8),
    RmsnormConfig(format=SE8, size=64, eps=100),
    ScanConfig(channels=8, states=4),
    GateConfig(),
    ResidualConfig(size=64, lanes=2),
    TimeStepConfig(channels=8),
]
OTHERS = [
    ConvolutionConfig(channels=8, target="ecp5"),
    RmsnormConfig(format=SE8, size=1 << 12, width=16, eps=1, target="ecp5"),
    ScanConfig(channels=8, state_bits=24, x_bits=12, d_bits=20, a_bits=12, decay_shift=0, target="ecp5"),
    GateConfig(target="ecp5"),
    ResidualConfig(size=10, width=4),
]


def label(config):
    return config.label


@pytest.mark.parametrize("config", [ResidualConfig(size=10, width=4)], ids=label)
def test_quick(config, tmp_path):
    check(config, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("config", [*UNITS, *OTHERS], ids=label)
def test_proved(config, tmp_path):
    check(config, tmp_path)


def check(config, folder):
    for task in arithmetic.tasks(config):
        result = run(task, folder)
        assert result.passed, (task.name, result.tail)


@pytest.mark.full
@pytest.mark.parametrize("config", UNITS, ids=label)
def test_faults_are_found(config, tmp_path):
    for number, fault in enumerate(arithmetic.faults(config)):
        result = run(fault.task, tmp_path / str(number))
        assert fault.caught(result), (fault.name, result.tail)


@pytest.mark.full
def test_every_definition_has_its_faults():
    labels = set(re.findall(r"^ +(\w+): assert", shipped("arithmetic.sv"), re.M))
    assert {fault.catches for config in UNITS for fault in arithmetic.faults(config)} == labels


def test_exponents_beyond_the_least_one_make_nothing():
    """The proof takes -2**21 for every larger v; the reference gives 0 for all of them."""
    v = np.concatenate([np.arange(17 << 16, 1 << 22), np.array([1 << 30, (1 << 34) - 1])])
    assert not EXP2.array(v).any()
    assert not EXP2.array(np.array([1 << 21])).any()


def test_ecp5s_products_of_18_bits_are_hidden():
    """A cell gives them bit by bit; what is built around wider ones is proved for this target, too."""
    assert [task.name for task in arithmetic.tasks(ConvolutionConfig(channels=8, target="ecp5"))] == ["requantizer"]


def test_convolutions_of_other_widths_have_no_sum():
    assert [task.name for task in arithmetic.tasks(ConvolutionConfig(channels=8, taps=3))] == ["requantizer"]


def test_other_units_have_none():
    assert arithmetic.tasks(decoder()) == arithmetic.faults(decoder()) == []
