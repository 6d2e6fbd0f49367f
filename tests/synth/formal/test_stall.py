import re
from dataclasses import replace

import pytest

from qse_hw.synth.formal import stall
from qse_hw.synth.formal.standard import wrong
from qse_hw.synth.formal.task import run, run_all
from qse_hw.synth.formal.verilog import emitted
from tests.synth.formal.units import OFFSET, decoder, encoder

QUANTIZER = next(config for config in wrong() if config.label.startswith("quantizer"))
FLAGS = 3  # registers: saturated, nan, saturation_count


def faults(config):
    return {fault.name: fault for fault in stall.faults(emitted(config))}


@pytest.mark.full
@pytest.mark.every(4)
@pytest.mark.parametrize(
    "config", [encoder(), encoder(step=None), decoder(), QUANTIZER], ids=lambda config: config.label
)
def test_what_stands_still_keeps_all(tmp_path, config):
    result = run(stall.hold(emitted(config)), tmp_path)
    assert result.passed, result.tail


@pytest.mark.full
@pytest.mark.every(5)
@pytest.mark.parametrize(
    ("config", "name"),
    [
        (encoder(), "x"),
        (encoder(), "code"),
        (encoder(OFFSET), "place_negative"),
        (decoder(), "value"),
        (QUANTIZER, "p"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.label,
)
def test_a_register_that_moves(tmp_path, config, name):
    """The first one, which once went unnoticed, the last, and one that nothing depends on."""
    fault = faults(config)[f"{name} moves in a stall"]
    result = run(fault.task, tmp_path)
    assert fault.caught(result), result.tail


@pytest.mark.full
@pytest.mark.parametrize(
    "config", [encoder(step=None), encoder(target="ecp5"), decoder(), QUANTIZER], ids=lambda config: config.label
)
def test_every_register_that_moves(tmp_path, config):
    every = list(faults(config).values())
    results = run_all([fault.task for fault in every], tmp_path)
    assert [fault.name for fault, result in zip(every, results, strict=True) if not fault.caught(result)] == []


@pytest.mark.every(2)
@pytest.mark.parametrize(
    ("config", "name"), [(encoder(), "the input is never ready"), (QUANTIZER, "the pipeline never moves")]
)
def test_one_that_never_moves(tmp_path, config, name):
    fault = faults(config)[name]
    result = run(fault.task, tmp_path)
    assert fault.caught(result), result.tail


def test_every_register_has_a_fault():
    for config, exempt in ((encoder(), FLAGS), (encoder(step=None, input="fp16"), FLAGS), (decoder(), 1)):
        registers = len(re.findall(r"always @\(posedge clk\)", emitted(config).text))
        assert sum(name.endswith(" moves in a stall") for name in faults(config)) == registers - exempt
    core = re.findall(r"^module \S+_core.*?^endmodule$", emitted(QUANTIZER).text, re.MULTILINE | re.DOTALL)
    registers = sum(module.count("always @(posedge clk)") for module in core)
    moving = [name for name in faults(QUANTIZER) if name.endswith(" moves in a stall")]
    assert len(moving) == registers - 1  # how many beats are within moves with what comes and goes


def test_the_multiplier_cells_registers():
    unit = emitted(encoder(target="ecp5"))
    assert unit.text.count(".CE0(") == 1
    assert "the multiplier moves in a stall" in faults(unit.config)


def test_registers_of_another_kind_are_not_passed_over(tmp_path):
    unit = emitted(decoder())
    text = re.sub(
        r"always @\(posedge clk\)(\n +if .*\n +value)",
        r"always @(posedge clk or posedge rst)\n    if (rst) value <= 0; else\1",
        unit.text,
        count=1,
    )
    assert text != unit.text
    result = run(stall.hold(replace(unit, text=text)), tmp_path)
    assert (result.status, "selection is not empty" in result.tail) == ("ERROR", True)
