"""replay --whole-model: the values sent and the report; the replay itself is tested in tests/sim."""

import json
import re

import numpy as np
import pytest

from qse_hw.cli import main
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.io.evidence import SCHEMA
from qse_hw.study import whole_model
from tests.qse_hw.cli.test_replay import OUTCOME, outcomes


@pytest.fixture
def replayed(monkeypatch, activations):
    """Run the command with a replay that gives these outcomes, or raises this error; what it was called with."""

    def run(result, *words):
        calls = []

        def replay_model(tensors, choices, *, input, stages, progress):
            calls.append((tensors, choices, input))
            if isinstance(result, Exception):
                raise result
            with stages.stage("simulate"):
                progress("replaying", 1.0)
            return result

        monkeypatch.setattr(whole_model, "TOKENS", 2)
        monkeypatch.setattr("qse_hw.sim.replay.whole_model.replay_model", replay_model)
        given = ("--whole-model", "mamba-130m", "--activations", activations, "--format", "int8", *words)
        assert main(["replay", *map(str, given)]) == 0
        return calls[0]

    return run


def test_the_models_shape_and_a_calibration_per_layer(replayed, tensors, out, capsys):
    sent, choices, input = replayed(outcomes(), "--input", "bf16", "--json", out / "r.json")
    assert list(sent) == list(choices) == [f"layers.{n}.x" for n in range(24)]
    assert all((x.shape, x.dtype) == ((2, 1536), np.float32) for x in sent.values())
    assert set(sent["layers.3.x"].reshape(-1).tolist()) <= set(tensors["layers.1.x"].reshape(-1).tolist())
    assert input.name == "bf16"
    assert len({choice.scale for choice in choices.values()}) > 1
    document = json.loads((out / "r.json").read_text())
    figures = document["figures"]
    assert (document["schema"], document["passed"]) == (SCHEMA, True)
    assert (figures["values"], figures["compared"]) == (24 * 2 * 1536, 2 * OUTCOME["values"])
    assert list(figures["seconds_by_stage"]) == ["capture", "calibrate", "simulate"]
    assert figures["nanoseconds_per_value"] == pytest.approx(1e9 * 2 * OUTCOME["seconds"] / (2 * OUTCOME["values"]))
    assert [item["passed"] for item in document["items"]] == [True, True]
    assert (figures["goal_seconds"], figures["goal"]) == (60, "reached")
    said = capsys.readouterr().out
    assert "spread over 24 layers of 2 x 1536" in said
    assert "mamba-130m: 73,728 values in" in said


def test_the_format_that_is_asked_for(replayed):
    _, choices, _ = replayed(outcomes(), "--format", "se8:L=12")
    assert {choice.format for choice in choices.values()} == {load_format("se8:L=12")}


def test_a_goal_that_is_missed_is_told(replayed, out, monkeypatch):
    monkeypatch.setattr(whole_model, "GOAL", 0)
    replayed(outcomes(), "--json", out / "r.json")
    assert json.loads((out / "r.json").read_text())["figures"]["goal"] == "not reached"


def test_a_mismatch_fails(replayed, out):
    with pytest.raises(SystemExit) as caught:
        replayed(outcomes(wrong_codes=3, first="code, beat 1"), "--json", out / "r.json")
    assert caught.value.code == "3 mismatches; the first: code, beat 1"
    document = json.loads((out / "r.json").read_text())
    assert not document["passed"]
    assert document["figures"]["mismatches"] == 3
    assert [item["passed"] for item in document["items"]] == [True, False]


def test_a_broken_simulator(replayed, out):
    with pytest.raises(SystemExit) as caught:
        replayed(RuntimeError("verilator failed: 1\nits last words"), "--json", out / "r.json")
    assert caught.value.code == "error: verilator failed: 1\nits last words"
    assert not (out / "r.json").exists()


def test_the_bundled_models_activations(replayed, monkeypatch):
    """Without a file of activations the bundled model runs on enough tokens that no value is used twice."""
    asked = []

    def from_model(args):
        asked.append(args)
        raise RuntimeError("enough")

    monkeypatch.setattr(whole_model, "from_model", from_model)
    with pytest.raises(RuntimeError, match=r"^enough$"):
        main(["replay", "--whole-model", "mamba-130m"])
    assert (asked[0].model, asked[0].text, asked[0].tokens) == (None, None, 6144)
    assert 6144 * 512 * 6 == 24 * 1536 * 512


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("mamba-9b",), "Shape must be one of mamba-130m, .*, not 'mamba-9b'"),
        (("mamba-130m", "--lanes", 4), "Whole model takes no --lanes: it calibrates its layers itself, in lanes .*"),
        (("mamba-130m", "--calibration", "c.json"), "Whole model takes no --calibration: .*"),
        (("mamba-130m", "--wave", "w.vcd"), "Whole model takes no --wave: .*"),
    ],
)
def test_refused(refused, words, said, activations, calibration, out):
    words = [str(calibration) if word == "c.json" else str(out / word) if word == "w.vcd" else word for word in words]
    assert re.fullmatch(said, refused("replay", "--activations", activations, "--whole-model", *words))
