"""The checks of ``exhaust --all``: none is forgotten, and all pass."""

import itertools

import pytest

from qse_hw.golden.functions.targets import FUNCTIONS
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.function import FunctionConfig
from qse_hw.sim.exhaust.exhaust import exhaust
from qse_hw.sim.exhaust.standard_checks import standard


def test_the_standard_list():
    checks = standard()
    units = [check.config for check in checks]
    encoders = [unit for unit in units if isinstance(unit, EncoderConfig)]
    names = {format.name for format in (unit.format for unit in encoders)}
    assert names == {"int8", "int8-narrow", "int8-asym", "se8", "se8-silu", "se9-paper", "five"}
    for input in ("fp16", "bf16", "s16", "fp32"):
        formats = [unit.format for unit in encoders if unit.input.name == input and unit.scale is None]
        assert len(set(formats)) == 7, input
    assert len({unit.label for unit in units}) == len(units)
    assert {(unit.arch, unit.target) for unit in encoders} == set(
        itertools.product(("fused", "parallel"), ("generic", "ecp5"))
    )
    assert {unit.function for unit in units if isinstance(unit, FunctionConfig)} == set(FUNCTIONS)
    for unit in units:
        unit.component()


@pytest.mark.full(4)
@pytest.mark.parametrize("check", standard(), ids=lambda check: f"{check.config.label}, {check.words}")
def test_standard_checks(check):
    (finding,) = exhaust([check])
    assert (finding.first, finding.wrong, finding.wrong_flags) == ("", 0, 0)
