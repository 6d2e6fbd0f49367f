"""The critical path in the unit's names; reports as nextpnr writes them."""

from qse_hw.synth.path import critical_path, named, signals
from qse_hw.synth.result import Hop

NAMES = frozenset({"unit.lane0.sum", "unit.lane0.sum_next", "unit.code", "result", "source", "unit", "rst"})


def test_signals(tmp_path):
    file = tmp_path / "names"
    file.write_text("qse_harness/unit.lane0.sum\nqse_harness/$auto$1\nqse_harness/unit.$proc\nqse_harness/result\n\n")
    assert signals(file) == {"unit.lane0.sum", "result"}


def test_named():
    assert named("unit.lane0.sum_SB_LUT4_O_I1[3]", NAMES) == "lane0.sum"
    assert named("unit.lane0.sum_next_LUT4_Z", NAMES) == "lane0.sum_next"
    assert named("unit.lane0.sum[12]", NAMES) == "lane0.sum"
    assert named("result_TRELLIS_FF_Q", NAMES) == "(output)"
    assert named("source[3]", NAMES) == "(input)"
    assert named("rst", NAMES) == "(input)"
    assert named("$PACKER_VCC", NAMES) is None
    assert named("", NAMES) is None


def step(kind, delay, net="", begin="", end=""):
    return {"type": kind, "delay": delay, "net": net, "from": {"cell": begin}, "to": {"cell": end}}


PATH = [
    step("clk-to-q", 0.5, begin="unit.lane0.sum_FF_Q_3", end="unit.lane0.sum_FF_Q_3"),
    step("routing", 1.0, "unit.lane0.sum[3]"),
    step("logic", 0.25),
    step("routing", 0.125, "unit.lane0.sum_LUT4_A_Z"),  # still after sum
    step("logic", 0.25),
    step("routing", 2.0, "unit.code_LUT4_Z_1"),
    step("logic", 0.25),
    step("routing", 0.5, "$nothing$5"),
    step("setup", 0.0625, begin="unit.code_FF_Q", end="unit.code_FF_Q_2"),
]
CLOCK = {"from": "posedge clk", "to": "posedge clk"}


def test_critical_path():
    across = {"from": "<async>", "to": "posedge clk", "path": [step("logic", 100.0, begin="x", end="y")]}
    shorter = CLOCK | {"path": PATH[:3]}
    path = critical_path([across, shorter, CLOCK | {"path": PATH}], NAMES)
    assert path == (
        Hop("lane0.sum", 1.0, 1.125, 2),
        Hop("code", 0.3125, 2.5, 1),
        Hop("code", 0.0, 0.0, 0),
    )
    assert sum(hop.logic + hop.routing for hop in path) == sum(step["delay"] for step in PATH)


def test_nothing_between_registers():
    assert critical_path([], NAMES) == ()
    assert critical_path([{"from": "<async>", "to": "<async>", "path": PATH}], NAMES) == ()
