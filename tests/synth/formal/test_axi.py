import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from qse_hw.synth.formal import axi
from qse_hw.synth.formal.task import run
from tests.synth.formal.units import OFFSET, TINY, encoder

QUANTIZER = QuantizerConfig(format=OFFSET, input=input_type("s8"), scale=Scale.from_step(4.0, 4), pipeline=0)
TWO_LANES = QuantizerConfig(format=TINY, input=input_type("s8"), scale=Scale.from_step(4.0, 4), lanes=2)
FAULTS = 19


def task(name, config=QUANTIZER):
    return next(task for task in axi.tasks(config) if task.name == name)


def test_rules(tmp_path):
    result = run(task("axi_rules"), tmp_path)
    assert result.passed, result.tail


@pytest.mark.full
@pytest.mark.parametrize("config", [QUANTIZER, TWO_LANES], ids=["offset", "sign"])
def test_all_proved(tmp_path, config):
    for task in axi.tasks(config):
        result = run(task, tmp_path)
        assert result.passed, (task.name, result.tail)


@pytest.fixture(scope="module")
def faults():
    return axi.faults(QUANTIZER)


@pytest.mark.full(3)
@pytest.mark.parametrize("number", range(FAULTS))
def test_fault(faults, number, tmp_path):
    fault = faults[number]
    result = run(fault.task, tmp_path)
    assert fault.caught(result), (fault.name, result.tail)


def test_every_fault_is_tried(faults):
    assert len(faults) == FAULTS


def test_map_is_the_documented_one():
    text = axi.register_map(QUANTIZER.registers)
    for register in QUANTIZER.registers.registers:
        assert f"  // {register.name}\n" in text
    assert "8: {there, access, width, extends, reset} = {1'b1, 3'd1, 6'd4, 1'b0, 32'h" in text  # SCALE_M, 4 bits
    assert "held = $signed(parameters[" in text  # SCALE_K


def test_other_units_have_no_bus():
    assert axi.tasks(encoder()) == axi.faults(encoder()) == []
