"""bench --parts calibrate-model: what is timed."""

import json
import statistics

import pytest

from qse_hw.cli import main
from qse_hw.study.bench import calibrate_model

NAMES = ["x alone", "every tensor, objective x", "every tensor, objective loss"]


@pytest.fixture
def small(monkeypatch):
    """Few tokens, in a format that is quick to fit."""
    monkeypatch.setattr(calibrate_model, "TOKENS", 512)
    monkeypatch.setattr(calibrate_model, "FORMAT", "int8")
    monkeypatch.setattr(calibrate_model, "REPEATS", 1)


@pytest.mark.full
def test_figures(small, out, capsys):
    assert main(["bench", "--parts", "calibrate-model", "--json", str(out / "b.json")]) == 0
    figures = json.loads((out / "b.json").read_text())["calibrate-model"]
    assert (figures["format"], figures["tokens"], figures["repeats"]) == ("int8", 512, 1)
    busy = {name: statistics.median(one["processor_seconds"]) for name, one in figures["all"].items()}
    assert [*busy] == NAMES
    for name in NAMES:
        assert figures["medians"][name]["seconds"] == statistics.median(figures["all"][name]["seconds"])
        assert figures["of_x_alone"][name] == busy[name] / busy["x alone"]
    said = capsys.readouterr().out
    assert "Calibrating the bundled Mamba-1, int8, 512 tokens, median of 1" in said
    for name in NAMES:
        assert name in said


def test_each_candidate_calibrates_what_it_says(small, monkeypatch):
    seen = []
    monkeypatch.setattr(
        calibrate_model, "calibrate", lambda layers, spec, *, model: seen.append((len([*layers]), str(spec)))
    )
    monkeypatch.setattr(
        calibrate_model, "calibrate_integer",
        lambda model, ids, *, tokens, options: seen.append((tokens, str(options.spec), options.objective)),
    )  # fmt: skip
    calibrate_model.measure(lambda share: None)
    assert sorted(seen, key=len) == [(6, "int8"), *sorted(one for one in seen if len(one) == 3)]
    assert {one[2] for one in seen if len(one) == 3} == {"x", "loss"}
    assert all(one[:2] == (512, "int8") for one in seen if len(one) == 3)
