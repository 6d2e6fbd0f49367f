import re
from fractions import Fraction

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.activation import ActivationConfig
from qse_hw.rtl_gen.units.hadamard import HadamardConfig
from qse_hw.rtl_gen.units.quantizer import QuantizerConfig
from qse_hw.rtl_gen.units.residual import ResidualConfig
from qse_hw.rtl_gen.units.time_step import TimeStepConfig
from qse_hw.synth.formal import axi, stream
from qse_hw.synth.formal.harness import instance, lane_outputs, probed, without_lanes
from qse_hw.synth.formal.task import run
from tests.synth.formal.units import OFFSET, TINY, decoder, encoder

ENCODER = encoder()
QUANTIZER = QuantizerConfig(format=OFFSET, input=input_type("s8"), scale=Scale.from_step(4.0, 4), pipeline=0)
RESIDUAL = ResidualConfig(size=10, width=4)
_SMALL = {"input": input_type("s6e-3"), "output": input_type("s7e-4"), "error": Fraction(1, 16)}
LONG = {
    "two lanes": encoder(lanes=2),
    "no optional registers": encoder(pipeline=0),
    "run time": encoder(step=None),
    "cells": encoder(input="bf16", step=0.0147, lanes=2, target="ecp5"),
    "parallel": encoder(arch="parallel"),
    "no counter": encoder(counter_width=0),
    "decoder": decoder(lanes=2),
    "residual": RESIDUAL,
    "time step": TimeStepConfig(channels=8, **_SMALL),
    "activation": ActivationConfig(format=load_format("int8"), scale_bits=2, **_SMALL),
    "quantizer": QUANTIZER,
    "quantizer with a memory": QuantizerConfig(
        format=TINY, input=input_type("s8"), scale=Scale.from_step(4.0, 4), lanes=2
    ),
}
TEXT = """module inner (
  input  wire clk,
  output wire seen
);
  reg state = 1'h0;
endmodule

module top (
  input  wire clk,
  input  wire rst,
  output reg  [3:0] level = 4'h0
);
  inner  unit (
    .clk(clk)
  );
endmodule
"""


def instantiated(task):
    """The properties of the checkers that its top has, without those that only help the induction."""
    modules = re.findall(r"^module (\w+)(.*?)^endmodule", "\n".join(task.files.values()), re.M | re.S)
    top = task.files[f"{task.top}.sv"]
    checkers = [body for name, body in modules if re.search(rf"^  {name} #", top, re.M)]
    labels = {label for body in checkers for label in re.findall(r"(\w+): (?:assert|cover) ?\(", body)}
    return {label for label in labels if not label.startswith("helper_")}


@pytest.mark.every(3)
@pytest.mark.parametrize("config", [ENCODER, decoder()], ids=["encoder", "decoder"])
@pytest.mark.parametrize("name", ["stream_rules", "stream_order", "stream_status"])
def test_proved(tmp_path, config, name):
    (task,) = (task for task in stream.tasks(config) if task.name == name)
    result = run(task, tmp_path)
    assert result.passed, result.tail


def test_reached(tmp_path):
    task = stream.tasks(decoder())[-1]
    result = run(task, tmp_path)
    assert result.passed, result.tail
    assert set(result.reached) == instantiated(task)


@pytest.mark.full
@pytest.mark.parametrize("name", [pytest.param("stream_parameters", marks=pytest.mark.full), "stream_walk"])
def test_parameters_are_proved(tmp_path, name):
    (task,) = (task for task in stream.tasks(QUANTIZER) if task.name == name)
    result = run(task, tmp_path)
    assert result.passed, result.tail


@pytest.mark.full
@pytest.mark.parametrize("name", LONG)
def test_all_proved(tmp_path, name):
    for task in stream.tasks(LONG[name]):
        result = run(task, tmp_path)
        assert result.passed, (task.name, result.tail)


@pytest.mark.every(3)
@pytest.mark.parametrize(
    ("config", "module"),
    [(ENCODER, stream), (QUANTIZER, stream), (QUANTIZER, axi), (RESIDUAL, stream)],
    ids=["encoder", "quantizer", "axi", "residual"],
)
def test_every_property_has_a_fault(config, module):
    proved = [task for task in module.tasks(config) if task.mode == "prove"]
    written = {(task.name, label) for task in proved for label in instantiated(task)}
    caught = {(fault.task.name, fault.catches) for fault in module.faults(config)}
    assert written
    assert written <= caught


@pytest.mark.every(2)
@pytest.mark.parametrize("name", ["a beat leaves twice", "the payload changes in a stall"])
def test_fault(tmp_path, name):
    fault = next(fault for fault in stream.faults(decoder()) if fault.name == name)
    result = run(fault.task, tmp_path)
    assert fault.caught(result), result.tail


@pytest.mark.full(3)
@pytest.mark.parametrize("config", [ENCODER, decoder(), QUANTIZER, RESIDUAL], ids=lambda config: config.unit)
def test_faults(tmp_path, config):
    for number, fault in enumerate(stream.faults(config)):
        result = run(fault.task, tmp_path / str(number))
        assert fault.caught(result), (fault.name, result.tail)


def test_other_units_have_no_task():
    config = HadamardConfig(size=4, width=4)
    assert stream.tasks(config) == stream.faults(config) == []


def test_probed():
    text = probed(TEXT, "top", {"level": 4, "unit.state": 1})
    added = "  output wire [3:0] probe_level,\n  output wire probe_unit_state,\n"
    assert f"module top (\n{added}  input  wire clk,\n" in text
    assert "\n);\n  assign probe_level = level;\n" in text
    assert ".probe_state(probe_unit_state),\n    .clk(clk)" in text
    assert "module inner (\n  output wire probe_state,\n  input  wire clk,\n  output wire seen\n);\n" in text
    assert "\n);\n  assign probe_state = state;\n" in text


@pytest.mark.parametrize(
    ("signals", "message"),
    [
        ({"level": 5}, "Verilog must have a signal level of 5 bits in module top"),
        ({"state": 1}, "Verilog must have a signal state of 1 bits in module top"),
        ({"other.state": 1}, "Verilog must have an instance other"),
    ],
)
def test_what_is_not_there_cannot_be_probed(signals, message):
    with pytest.raises(InputError, match=message):
        probed(TEXT, "top", signals)


def test_a_word_of_systemverilog_is_probed():
    text = "module top (\n  input  wire clk\n);\n  reg [1:0] \\within  = 2'h0;\nendmodule\n"
    text = probed(text, "top", {"within": 2})
    assert "  assign probe_within = \\within ;\n" in text


def test_a_unit_without_lanes_is_not_cut():
    with pytest.raises(InputError, match="Verilog must have an instance lane0"):
        without_lanes(TEXT)


def test_instance():
    assert instance("a", "b", {"N": 3}, {"x": "y"}) == "  a #(.N(3)) b (.x(y));"


@pytest.mark.full
def test_flags_of_what_cannot_happen(tmp_path):
    """Every code of int8 has a value: its lanes tell of no invalid one."""
    config = decoder(load_format("int8"))
    assert "invalid" not in lane_outputs(emit(config).text)
    (status,) = (task for task in stream.tasks(config) if task.name == "stream_status")
    assert run(status, tmp_path).passed
