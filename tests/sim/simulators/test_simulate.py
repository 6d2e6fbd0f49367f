"""Compiling and running: what goes wrong is told, the environment is left as it was."""

import os
import time
from pathlib import Path

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.sim.simulators import simulate
from qse_hw.sim.simulators.wave import Wave


@pytest.fixture
def runner(monkeypatch):
    """A stand-in for cocotb's runner; ``calls`` holds the arguments and the environment of each call."""

    class Runner:
        def __init__(self):
            self.calls, self.error, self.seconds = [], None, 0.0

        def _do(self, **arguments):
            self.calls.append((arguments, dict(os.environ)))
            time.sleep(self.seconds)
            if self.error is not None:
                raise self.error

        build = test = _do

    made = Runner()
    monkeypatch.setattr(simulate, "_runner", lambda simulator, wave=None: made)
    monkeypatch.setattr(simulate, "require", lambda simulator: None)
    return made


def test_a_real_syntax_error(tmp_path):
    (tmp_path / "bad.v").write_text("module bad(input a; endmodule\n")
    with pytest.raises(RuntimeError, match=r"(?s)verilator failed: .*syntax error"):
        simulate.build([tmp_path / "bad.v"], "bad", tmp_path / "obj", "verilator")


def test_unknown_simulator(tmp_path):
    with pytest.raises(InputError, match="Simulator must be one of verilator, icarus, not 'questa'"):
        simulate.build([], "top", tmp_path, "questa")


@pytest.mark.parametrize("error", [SystemExit(3), RuntimeError("no results"), OSError("no program")])
def test_what_fails_is_told_with_the_end_of_the_log(runner, error, tmp_path):
    runner.error = error
    (tmp_path / "build.log").write_text("".join(f"line {n}\n" for n in range(100)))
    (tmp_path / "run.log").write_text("the run\n")
    with pytest.raises(RuntimeError) as caught:
        simulate.build([], "top", tmp_path, "verilator")
    want = "\n".join(f"line {n}" for n in range(85, 100))
    assert str(caught.value) == f"verilator failed: {error}\n{want}"
    assert caught.value.__cause__ is error
    with pytest.raises(RuntimeError, match=f"^icarus failed: {error}\nthe run$"):
        simulate.run("tests", "top", tmp_path, "icarus", {}, lambda: None)


def test_no_log_no_lines(tmp_path):
    assert simulate.tail(tmp_path / "none") == ""


def test_the_environment_is_restored(runner, tmp_path, monkeypatch):
    monkeypatch.setenv("MAKEFLAGS", "-k")
    monkeypatch.delenv("COCOTB_MAX_PARALLEL_BUILD_JOBS", raising=False)
    before = dict(os.environ)
    simulate.build([tmp_path / "a.v"], "top", tmp_path, "verilator")
    simulate.run("some.module", "top", tmp_path, "verilator", {"A": "b"}, lambda: None)
    runner.error = ValueError("x")
    with pytest.raises(RuntimeError):
        simulate.build([], "top", tmp_path, "verilator")
    assert dict(os.environ) == before
    (build, inside), (run, inside_run), _ = runner.calls
    assert inside["MAKEFLAGS"] != "-k"
    assert before["PATH"] in inside["PATH"]
    assert Path(inside["OBJCACHE"]).name == "ccache"
    assert inside_run["PYTEST_CURRENT_TEST"] == ""  # a pass with mismatches is an outcome, not a crash
    assert (build["sources"], build["hdl_toplevel"]) == ([str(tmp_path / "a.v")], "top")
    assert (run["test_module"], run["extra_env"]) == ("some.module", {"A": "b"})


def test_without_a_wave_nothing_is_recorded(runner, tmp_path):
    simulate.build([tmp_path / "a.v"], "top", tmp_path, "verilator")
    simulate.run("tests", "top", tmp_path, "verilator", {}, lambda: None)
    (build, _), (run, _) = runner.calls
    assert not any("--trace" in argument for argument in build["build_args"])
    assert (build["waves"], run["waves"], run["test_args"]) == (False, False, [])


@pytest.mark.parametrize("kind", ["vcd", "fst"])
def test_verilator_is_asked_for_a_wave(runner, tmp_path, kind):
    wave = Wave(kind, tmp_path / "w.part")
    simulate.build([tmp_path / "a.v"], "top", tmp_path, "verilator", wave)
    simulate.run("tests", "top", tmp_path, "verilator", {}, lambda: None, wave)
    (build, _), (run, _) = runner.calls
    assert (build["waves"], build["build_args"][-1]) == (True, f"--trace-{kind}")
    assert build["sources"] == [str(tmp_path / "a.v")]
    assert (run["waves"], run["test_args"]) == (True, ["--trace-file", str(tmp_path / "w.part")])


@pytest.mark.parametrize("kind", ["vcd", "fst"])
def test_icarus_is_asked_for_a_wave(runner, tmp_path, kind):
    wave = Wave(kind, tmp_path / "w.part")
    simulate.build([tmp_path / "a.v"], "top", tmp_path, "icarus", wave)
    simulate.run("tests", "top", tmp_path, "icarus", {}, lambda: None, wave)
    (build, _), (run, _) = runner.calls
    assert build["build_args"] == ["-s", "qse_wave"]
    assert build["sources"] == [str(tmp_path / "a.v"), str(tmp_path / "qse_wave.v")]
    assert (build["waves"], run["waves"], run["test_args"]) == (False, False, [])


@pytest.mark.parametrize(("wave", "word"), [(None, "-none"), ("vcd", "-vcd"), ("fst", "-fst")])
def test_the_last_word_to_icarus_is_the_wave(tmp_path, monkeypatch, wave, word):
    """Without one, cocotb's runner turns ``$dumpfile`` off; of several such words the last one counts."""
    monkeypatch.setattr("shutil.which", lambda name: name)  # cocotb's runner asks whether Icarus is installed
    icarus = simulate._runner("icarus", wave and Wave(wave, tmp_path / "w.part"))
    icarus.pre_cmd, icarus.waves, icarus.gui, icarus.plusargs, icarus.test_args = None, False, False, [], []
    icarus.build_dir, icarus.hdl_toplevel, icarus.hdl_library = tmp_path, "top", "top"
    ((*_, last),) = icarus._test_command()
    assert last == word


def test_ticks_while_it_runs(runner, tmp_path):
    runner.seconds = 0.45
    ticks = []
    simulate.run("some.module", "top", tmp_path, "verilator", {}, lambda: ticks.append(time.monotonic()))
    assert 2 <= len(ticks) <= 6
