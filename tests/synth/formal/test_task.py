import time

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.synth.formal.task import Result, Task, covers, run, run_all

COUNTER = """
module counter(input clk, input enable);
  reg [3:0] count = 0;
  always @(posedge clk) if (enable) count <= count == 9 ? 0 : count + 1;
  always @* small: assert (count < 10);
  always @* seven: cover (count == 7);
  always @* never: cover (count == 12);
endmodule
"""
PLAIN = {"name": "counter", "claim": "The counter stays below ten.", "top": "counter", "engine": "abc pdr"}


def counter(text=COUNTER, **other):
    return Task(**{"mode": "prove", "files": {"counter.sv": text}, **PLAIN, **other})


@pytest.mark.every(2)
@pytest.mark.parametrize("engine", ["abc pdr", "smtbmc z3"])
def test_proved(tmp_path, engine):
    result = run(counter(engine=engine), tmp_path)
    assert (result.passed, result.status, result.failed, result.trace) == (True, "PASS", (), None), result.tail
    assert result.seconds > 0


@pytest.mark.parametrize(
    "other",
    [
        {"engine": "abc pdr"},
        pytest.param({"engine": "smtbmc z3"}, marks=pytest.mark.full),
        pytest.param({"engine": "abc bmc3", "mode": "bmc", "argument": "Ten states."}, marks=pytest.mark.full),
    ],
)
def test_refuted(tmp_path, other):
    result = run(counter(COUNTER.replace("count < 10", "count < 9"), **other), tmp_path)
    assert (result.passed, result.status, result.failed) == (False, "FAIL", ("small",)), result.tail
    assert result.trace.read_text().startswith("$version")


@pytest.mark.full
def test_bound_reached(tmp_path):
    wrong = COUNTER.replace("count < 10", "count < 9")
    assert run(counter(wrong, mode="bmc", engine="abc bmc3", depth=5, argument="None."), tmp_path).passed


@pytest.mark.full
def test_cover(tmp_path):
    text = COUNTER.replace("never: cover (count == 12)", "five: cover (count == 5)")
    result = run(counter(text, mode="cover", engine="smtbmc z3"), tmp_path)
    assert (result.passed, set(result.reached), result.failed) == (True, {"five", "seven"}, ()), result.tail
    assert result.trace.exists()


@pytest.mark.full
def test_cover_missed(tmp_path):
    result = run(counter(mode="cover", engine="smtbmc z3"), tmp_path)
    assert (result.passed, result.reached, result.failed) == (False, ("seven",), ("never",)), result.tail


def test_covers_are_those_of_what_is_instantiated():
    text = COUNTER + "module other(input a);\n  always @* far: cover (a);\nendmodule\n"
    assert covers(counter(text, mode="cover")) == {"seven", "never"}


def test_a_limit_is_told():
    assert counter(limit="3 M").how == "unbounded; 3 M"


@pytest.mark.full
def test_undecided_is_no_pass(tmp_path):
    # nothing of it is reachable, but induction does not find that out
    text = COUNTER.replace("count < 10", "count != 12")
    result = run(counter(text, engine="smtbmc z3", depth=2), tmp_path)
    assert (result.passed, result.status) == (False, "UNKNOWN"), result.tail


@pytest.mark.full
def test_timeout(tmp_path):
    prime = 2**127 - 1  # no factors of 64 bits that luck could find, and a proof of that takes far longer
    text = f"""
    module counter(input clk, input [63:0] a, input [63:0] b);
      always @* factors: assert (128'd0 + a * b != 128'd{prime});
    endmodule
    """
    result = run(counter(text), tmp_path, timeout=2)
    assert (result.passed, result.status) == (False, "TIMEOUT"), result.tail


def test_broken_verilog(tmp_path):
    result = run(counter("module counter(input clk; endmodule"), tmp_path)
    assert (result.passed, result.status) == (False, "ERROR")
    assert "counter.sv" in result.tail


def test_the_job_is_a_readable_one():
    text = counter(mode="bmc", argument="It has ten states.", depth=9, script="hierarchy").sby(30)
    assert text.startswith("# counter\n# The counter stays below ten.\n# It has ten states.\n")
    assert "[options]\nmode bmc\ndepth 9\ntimeout 30\n" in text
    assert "[script]\nread_verilog -formal -sv counter.sv\nhierarchy\nprep -top counter\n" in text


def test_a_bound_needs_an_argument():
    with pytest.raises(InputError, match=r"^Task counter: argument must be given for mode bmc, and only there$"):
        counter(mode="bmc")
    with pytest.raises(InputError, match=r"^Task counter: argument must be given"):
        counter(argument="Ten states.")


def test_run_all(tmp_path, monkeypatch):
    def fake(task, folder, timeout):
        time.sleep(0.2 if task.name == "slow" else 0)
        assert timeout == 7
        places.append(folder)
        return Result(task=task, passed=task.name != "wrong", status="PASS", seconds=1.0)

    places, told = [], []
    monkeypatch.setattr("qse_hw.synth.formal.task.run", fake)
    tasks = [counter(name=name) for name in ("slow", "wrong", "slow", "right")]
    results = run_all(tasks, tmp_path, jobs=2, progress=told.append, timeout=7)
    assert [result.task for result in results] == tasks
    assert {id(result) for result in results} == {id(result) for result in told}
    assert len(set(places)) == 4


def test_run_all_ends_with_an_error(tmp_path, monkeypatch):
    def fake(task, folder, timeout):
        ran.append(task)
        raise InputError("no tool")

    ran = []
    monkeypatch.setattr("qse_hw.synth.formal.task.run", fake)
    with pytest.raises(InputError, match=r"^no tool$"):
        run_all([counter()] * 50, tmp_path)
    assert len(ran) < 50


def test_missing_abc(tmp_path, monkeypatch):
    monkeypatch.setattr("qse_hw.synth.formal.task.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^Tool yosys-abc \(package pyosys\) is not installed; get it with: pip"):
        run(counter(), tmp_path)
