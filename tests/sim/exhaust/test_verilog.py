"""Exhaustive checks of real Verilog: sound units pass, wrong ones do not."""

import re
from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.units.activation import ActivationConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.time_step import TimeStepConfig
from qse_hw.sim.exhaust.bulk import Bulk
from qse_hw.sim.exhaust.exhaust import Check, compare, exhaust
from qse_hw.sim.exhaust.kinds import Setting, every_k, kind
from qse_hw.study.netlist import netlists
from tests.golden.formats import oracles
from tests.golden.functions.units import KINDS
from tests.rtl_gen.functions.test_function import config as function_unit
from tests.rtl_gen.pointwise.small import SMALL

TIME_STEP = TimeStepConfig(channels=6, lanes=3, **SMALL)


def test_real_units_pass_and_wrong_ones_do_not(decoder, tmp_path):
    config = EncoderConfig(format=oracles.make("se8"), input=input_type("s9e-4"), scale=Scale.from_step(0.11), lanes=2)
    duts = [Bulk(config, tmp_path / "e"), decoder]

    def build(asked, folder):
        return duts[0 if asked.unit == "encoder" else 1]

    def first(asked):
        (finding,) = exhaust([Check(config=asked)], build=build)
        return finding

    assert first(config).passed
    assert first(decoder.config).passed
    another_scale = first(replace(config, scale=Scale.from_step(0.1101)))
    assert another_scale.wrong > 0
    assert another_scale.wrong_flags == 0
    assert "code 0x" in another_scale.first
    another_format = first(replace(config, format=oracles.make("se8:L=9")))
    assert another_format.wrong > another_scale.wrong
    assert first(replace(decoder.config, format=oracles.make("se8:L=9"))).first.startswith("pattern 0x")


@pytest.mark.full
def test_a_function_unit(tmp_path):
    config = function_unit(KINDS[1], lanes=4)
    (finding,) = exhaust([Check(config=config)])
    assert (finding.patterns, finding.values, finding.passed) == ("all 1,024 patterns", 4 * 1024, True)
    dut = Bulk(config, tmp_path)
    other = function_unit(KINDS[1], lanes=4, borders="free")
    difference = compare(dut, kind(other), np.arange(1024, dtype=np.uint32), Setting())
    assert difference.wrong > 10
    assert re.match(r"pattern 0x\w+, lane \d: output 0x\w+, not 0x\w+$", difference.first)


@pytest.mark.full
def test_an_activation(tmp_path):
    """Every value at every k; and with another function, another format or another scale it is wrong."""
    config = ActivationConfig(format=oracles.make("se8"), lanes=4, **SMALL)
    (finding,) = exhaust([Check(config=config)])
    assert (finding.patterns, finding.scales) == ("all 256 patterns", len(every_k(16)))
    assert (finding.values, finding.first, finding.passed) == (256 * finding.scales, "", True)
    dut, setting = Bulk(config, tmp_path), Setting(config.default_scale())
    patterns = np.arange(256, dtype=np.uint32)
    for other in ({"error": Fraction(1, 32)}, {"format": oracles.make("se8:L=9")}):
        difference = compare(dut, kind(replace(config, **other)), patterns, setting)
        assert difference.wrong > 0
        assert re.match(r"pattern 0x\w+ at .*, lane \d: code and value 0x\w+, not 0x\w+$", difference.first)


@pytest.mark.full
def test_time_steps(tmp_path, monkeypatch):
    """Every value with every set; and with another function, or parameters that were not loaded, it is wrong."""
    dut = Bulk(TIME_STEP, tmp_path)
    (finding,) = exhaust([Check(config=TIME_STEP)], build=lambda *_: dut)
    assert (finding.values, finding.first, finding.passed) == (12 * 3 * 258, "", True)
    unit, patterns = kind(TIME_STEP), np.arange(258, dtype=np.uint32) % 256
    other = kind(replace(TIME_STEP, error=Fraction(1, 32)))
    assert compare(dut, other, patterns, unit.settings[0]).wrong > 0
    monkeypatch.setattr(type(unit), "words", lambda *_: ())
    wrong = [compare(dut, unit, patterns, setting).wrong > 0 for setting in unit.settings]
    assert wrong == [False] + [True] * 11  # an empty memory has places 0 and bias 0


@pytest.mark.full(3)
@pytest.mark.parametrize("netlist", [None, "ecp5", "ice40:hx8k", "ice40:up5k", "gowin", "cells"])
@pytest.mark.parametrize(
    "kind",
    [
        {"function": "softplus", "input": "s16e-11", "output": "s16e-12", "bits": 12},
        {"function": "silu", "input": "s16e-11", "output": "s17e-12", "bits": 12},
        {"function": "exp2", "input": "s16e-11", "output": "s14e-12", "bits": 12, "high": Fraction(0)},
        {"function": "rsqrt", "input": "s16e-11", "output": "s16e-12", "bits": 12, "low": Fraction(1, 16)},
    ],
    ids=lambda kind: kind["function"],
)
def test_functions_of_sixteen_bits(kind, netlist):
    """Every input, through the Verilog and through what each target's synthesis makes of it."""
    (finding,) = exhaust([Check(config=function_unit(kind))], build=partial(Bulk, build=netlists(netlist)))
    assert (finding.values, finding.first, finding.wrong, finding.wrong_flags) == (1 << 16, "", 0, 0)
