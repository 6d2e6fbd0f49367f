"""Beats through compiled units: order, flags of each beat alone, and what happens when beats are lost."""

import re
from dataclasses import replace

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.reference.vectors import expected
from qse_hw.rtl_gen.emit.emit import Emitted, emit
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.hadamard import HadamardConfig
from qse_hw.rtl_gen.units.time_step import TimeStepConfig
from qse_hw.sim.exhaust.bulk import Bulk, wrapper
from tests.golden.formats import oracles
from tests.rtl_gen.pointwise.small import SMALL

CONFIG = EncoderConfig(format=oracles.make("se8"), input=input_type("bf16"), lanes=3, scale_bits=8, counter_width=2)


@pytest.fixture(scope="module")
def encoder(decoder, tmp_path_factory):
    return Bulk(CONFIG, tmp_path_factory.mktemp("encoder"))


@pytest.mark.full
def test_codes_and_the_flags_of_each_beat(encoder, rng):
    patterns = rng.permutation(1 << 16)[: 3 * 5000].astype(np.uint32)
    patterns[:9] = [0x7FC0, 0, 0, 0x3F80, 0x3F80, 0x3F80, 0x7F80, 0xFF80, 0x7F7F]  # NaN; nothing; three saturate
    for step in (0.0176, 3.0):
        scale = Scale.from_step(step, 8)
        answer = encoder(patterns, scale)
        want = expected(patterns, CONFIG.format, CONFIG.input, scale)
        assert (answer.outputs == want.codes).all()
        assert sorted(answer.flags) == ["nan", "saturated"]
        for name, events in (("saturated", want.saturated), ("nan", want.nan)):
            assert (answer.flags[name] == events.reshape(-1, 3).any(axis=1)).all()
        assert (answer.saturation_count == want.saturated.reshape(-1, 3).sum(axis=1)).all()
        assert answer.flags["nan"][:3].tolist() == [True, False, False]
        assert answer.saturation_count[:3].tolist() == [0, 0, 3]


def test_nothing_sent_nothing_comes(encoder):
    assert encoder(np.zeros(0, np.uint32), Scale.from_step(1, 8)).outputs.size == 0


FAULTS = {  # in the wrapper: what is wrong, and how many of eight beats come out then
    "one is lost": ("assign o_valid = valid && seen != 3;", 7),
    "one comes twice": ("assign o_valid = valid || (seen == 8 && !over);", 9),
    "never stops": ("assign o_valid = valid || over;", 59),
    "gives nothing": ("assign o_valid = 0;", 0),
}


def test_lost_and_repeated_beats(encoder, tmp_path):
    """A design that passes beats on, but for one fault, which the first value selects."""
    choices = "\n".join(
        f"    if (fault == {number}) begin {text.replace('assign ', '')} end"
        for number, (text, _) in enumerate(FAULTS.values())
    )
    verilog = f"""module qse_encoder (input clk, rst, clear, input [7:0] i__payload, input i__valid, output i__ready,
      output [7:0] o__payload, output reg o__valid, input o__ready);
  reg valid; reg [7:0] data, fault, seen; wire o_valid; reg o_valid_, over;
  assign i__ready = 1, o__payload = data;
  always @* begin
    o_valid_ = valid;
{choices.replace("o_valid =", "o_valid_ =")}
    o__valid = o_valid_;
  end
  always @(posedge clk) begin
    valid <= i__valid && !rst;
    data <= i__payload;
    over <= seen == 8 && !rst;
    if (rst) begin seen <= 0; fault <= 255; end
    else begin
      if (i__valid && fault == 255) fault <= i__payload;
      if (valid) seen <= seen + 1;
    end
  end
endmodule
"""
    ports = tuple({"name": name, "width": width, "direction": "input"} for name, width in (
        ("i__payload", 8), ("i__valid", 1), ("o__payload", 8), ("o__valid", 1)
    ))  # fmt: skip
    config = EncoderConfig(format=oracles.make("se8"), input=input_type("s8"), scale=Scale.from_step(1))
    faulty = Emitted(config=config, text=verilog, ports=ports, latency=1)
    dut = Bulk(config, tmp_path, build=lambda _: faulty)
    sound = np.full(8, 200, np.uint32)  # selects no fault
    assert dut(sound).outputs.tolist() == sound.tolist()
    for number, (_, came) in enumerate(FAULTS.values()):
        with pytest.raises(RuntimeError, match=f"^{came} beats came out, not 8$"):
            dut(np.full(8, number, np.uint32))


@pytest.mark.full
def test_words_that_are_not_accepted(tmp_path):
    config = TimeStepConfig(channels=6, lanes=3, **SMALL)
    stuck = emit(config)
    text = re.sub(r"assign parameters__ready = [^;]*;", "assign parameters__ready = 0;", stuck.text)
    assert text != stuck.text
    dut = Bulk(config, tmp_path, build=lambda _: replace(stuck, text=text))
    patterns = np.zeros(6, np.uint32)
    assert dut(patterns).outputs.size == 6
    with pytest.raises(RuntimeError, match=r"^the simulation failed$"):
        dut(patterns, words=[0])


def test_only_units_with_a_stream_each_way(tmp_path):
    with pytest.raises(InputError, match=r"^Unit must be one of encoder, .*, time_step, not 'hadamard'$"):
        Bulk(HadamardConfig(size=4, width=8, lanes=4), tmp_path)


def test_the_wrapper_has_every_port():
    """No pin of the unit is left open, whatever its parameters."""
    constant = EncoderConfig(format=CONFIG.format, input=CONFIG.input, scale=Scale.from_step(1), lanes=2)
    for config in (CONFIG, constant, TimeStepConfig(channels=6, lanes=3, **SMALL)):
        unit = emit(config)
        text = wrapper(unit)
        assert all(f".{port['name']}(" in text for port in unit.ports)
