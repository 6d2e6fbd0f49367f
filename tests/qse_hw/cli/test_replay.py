"""replay: captured values through the emitted Verilog. One build; what the testbench checks is tested in tests/sim."""

import json
import os

import numpy as np
import pytest

from qse_hw.cli import main
from qse_hw.cli import replay as command
from qse_hw.golden.calibration.calibration import read_calibration
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.formats.presets import load_format
from qse_hw.sim.replay.plan import Outcome
from qse_hw.study.sources import Activations
from tests.sim.vcd import read_vcd


@pytest.mark.full
def test_end_to_end(out, tensors, activations, calibration, capsys):
    words = ("--activations", activations, "--calibration", calibration, "--format", "se8", "--lanes", 4)
    outputs = ("--json", out / "new" / "r.json", "--wave", out / "new" / "r.vcd")
    assert main(["replay", *map(str, words + outputs)]) == 0
    document = json.loads((out / "new" / "r.json").read_text())
    assert document["schema"] == "qse-hw/replay/1"
    assert (document["input"], document["lanes"], document["simulator"]) == ("fp32", 4, "verilator")
    fast, stalled = document["runs"]
    values = sum(x.size for x in tensors.values())
    for run, name in ((fast, "full speed"), (stalled, "random stalls")):
        assert (run["run"], run["values"], run["mismatches"]) == (name, values, 0)
    assert values / 4 <= fast["cycles"] < values / 4 + 50  # a beat per cycle, and the pipelines' latency
    assert stalled["cycles"] > 1.2 * fast["cycles"]
    assert [outcome["run"] for outcome in document["outcomes"]] == ["full speed", "random stalls"]
    said = capsys.readouterr().out
    assert f"activations: {activations}, 2 layers of 16 x 32" in said
    assert f"{values:,}" in said
    assert said.splitlines()[-1] == str(out / "new" / "r.vcd")
    assert sorted(os.listdir(out / "new")) == ["r.json", "r.vcd"]
    signals = read_vcd((out / "new" / "r.vcd").read_text())
    for stream in ("i", "link", "o"):
        beats = signals[f"replay_top.{stream}__valid"], signals[f"replay_top.{stream}__ready"]
        assert all(len(changes) > 10 for changes in beats)


OUTCOME = {
    "values": 100, "cycles": 30, "wrong_codes": 0, "wrong_values": 0, "missing": 0, "extra": 0, "unknown": 0,
    "violations": 0, "wrong_inputs": 0, "wrong_flags": 0, "seconds": 0.5, "first": "",
}  # fmt: skip


def outcomes(**changes):
    return [Outcome(run="full speed", **OUTCOME), Outcome(run="random stalls", **OUTCOME | changes)]


@pytest.fixture
def simulated(monkeypatch, activations, calibration):
    """Run the command with a simulation that gives these outcomes, or fails with this error."""

    def run(result, *words):
        def replay(tensors, choices, **how):
            if isinstance(result, Exception):
                raise result
            return result

        monkeypatch.setattr("qse_hw.sim.replay.replay.replay", replay)
        return main(["replay", "--activations", str(activations), "--calibration", str(calibration), *words])

    return run


@pytest.mark.every(3)
@pytest.mark.parametrize("kind", sorted(OUTCOME.keys() - {"values", "cycles", "seconds", "first"}))
def test_any_mismatch_fails(simulated, out, kind, capsys):
    with pytest.raises(SystemExit) as caught:
        simulated(outcomes(**{kind: 3, "first": "x, beat 1"}), "--json", str(out / "r.json"))
    assert caught.value.code == "3 mismatches; the first: x, beat 1"  # which Python prints, with exit status 1
    assert json.loads((out / "r.json").read_text())["runs"][1]["mismatches"] == 3
    assert "random stalls" in capsys.readouterr().out


def test_a_broken_simulator(simulated, out):
    with pytest.raises(SystemExit) as caught:
        simulated(RuntimeError("verilator failed: 1\nits last words"), "--json", str(out / "r.json"))
    assert caught.value.code == "error: verilator failed: 1\nits last words"
    assert os.listdir(out) == []


def test_totals_add_up_formats():
    rows = command.totals([*outcomes(), *outcomes(missing=2, values=50)])
    assert [(row["run"], row["values"], row["mismatches"], row["cycles"], row["seconds"]) for row in rows] == [
        ("full speed", 200, 0, 60, 1.0),
        ("random stalls", 150, 2, 60, 1.0),
    ]


def test_which_format_and_scale(tensors, calibration):
    activations = Activations(tensors=tensors, metadata={}, origin="here")
    stored = read_calibration(calibration)
    assert command.choose(activations, stored, None) == {name: stored.layer(i) for i, name in enumerate(tensors)}
    calibrated = command.choose(activations, None, parse_format("int8"))
    assert [choice.format for choice in calibrated.values()] == [load_format("int8")] * 2
    assert list(calibrated) == list(tensors)
    assert {choice.format.name for choice in command.choose(activations, None, None).values()} == {"se8"}


def test_what_is_asked_of_the_simulation(simulated, monkeypatch, tensors, capsys, tmp_path):
    seen = {}

    def replay(given, choices, **how):
        seen.update(how, names=list(given), choices=choices)
        how["progress"]("compiling", 0.5)
        return outcomes()

    monkeypatch.setattr(command, "require", lambda simulator: None)
    monkeypatch.setattr(command, "replayed", lambda *args, **how: replay(*args, **how, progress=lambda *a: None))
    words = ("--input", "bf16", "--lanes", "7", "--simulator", "icarus", "--wave", str(tmp_path / "w.fst"))
    assert simulated(None, *words) == 0
    assert seen["wave"] == tmp_path / "w.fst"
    assert (seen["input"].name, seen["lanes"], seen["simulator"], seen["names"]) == ("bf16", 7, "icarus", list(tensors))
    assert np.array([choice.scale.M for choice in seen["choices"].values()]).all()
    assert "bf16 in, 7 lanes, icarus, seed of the stalls 20260109" in capsys.readouterr().out
