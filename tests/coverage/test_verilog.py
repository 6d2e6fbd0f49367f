"""Reading what Verilator counted, and proving bits constant, on a small unit."""

from collections import Counter

import pytest

from tests.coverage.verilog import Point, _bit, constants, points, summarise

UNIT = """
module unit (input clk, input rst, input a, output reg [2:0] b, output c);
  wire \\$1 ;
  reg stuck = 0;
  wire [1:0] both;
  always @(posedge clk) begin
    if (rst) stuck <= 0; else stuck <= stuck & a;
    b <= {1'b1, stuck, a};
  end
  assign \\$1 = a & ~a;
  assign both = {a ^ a, a};
  assign c = \\$1 | both[1] | (a & b[0] & ~a);
endmodule
"""


def line(file, number, page, name, instance, count):
    fields = {"f": f"somewhere/{file}", "l": number, "n": 1, "t": "x", "page": page, "o": name, "h": instance}
    return "C '" + "".join(f"\x01{key}\x02{value}" for key, value in fields.items()) + f"' {count}"


def test_points(tmp_path):
    data = tmp_path / "coverage.dat"
    data.write_text(
        "\n".join(
            [
                "# SystemC::Coverage-3",
                line("u.v", 4, "v_toggle/u", "__0243[0]:0->1", "top.unit", 7),
                line("u.v", 5, "v_line/u", "block", "top.unit.lane0", 0),
                line("u.v", 5, "v_line/u", "block", "top.unit.lane0", 2),
                line("u.v", 6, "v_branch/u", "if", "top.unit", 0),
                line("top.v", 1, "v_toggle/top", "a:0->1", "top", 9),
            ]
        )
    )
    assert points(data, "u.v", "unit") == Counter(
        {
            Point("toggle", "", 4, "$3[0]:0->1"): 7,
            Point("line", "lane0", 5, "block"): 2,
            Point("branch", "", 6, "if"): 0,
        }
    )


@pytest.mark.full
def test_constants_are_proved_and_others_are_not(tmp_path):
    source = tmp_path / "unit.v"
    source.write_text(UNIT)
    suspects = ["$1:0->1", "both[1]:0->1", "c:1->0", "b[0]:0->1", "a:0->1"]
    proved = constants(source, "unit", suspects)
    assert {"$1", "stuck", "b[1]", "b[2]", "both[1]", "c"} <= proved
    assert not {"a", "b[0]", "both[0]", "clk", "rst"} & proved


def test_what_was_not_met_is_explained_or_listed():
    counts = Counter(
        {
            Point("toggle", "lane0", 1, "a:0->1"): 3,
            Point("toggle", "lane0", 1, "b[2]:0->1"): 0,
            Point("toggle", "", 1, "c:1->0"): 0,
            Point("branch", "", 3, "if"): 0,
        }
    )
    toggles = summarise("toggle", counts, {"lane0.b[2]"})
    assert (toggles.met, toggles.total, toggles.rest) == (1, 3, ["c:1->0"])
    assert toggles.explained == {"constant: proved by Yosys": 1}
    branches = summarise("branch", counts, set())
    assert (branches.met, branches.total, branches.rest) == (0, 1, ["if"])
    assert not branches.explained
    assert _bit("lane0.a[3]:0->1") == "lane0.a[3]"
