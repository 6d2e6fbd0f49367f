"""bench: every speed stands beside its baseline. The tests use few values and do not judge the speeds."""

import json
import math
import os
import statistics

import pytest

from qse_hw.cli import main
from qse_hw.cli.bench import PARTS
from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.formats.presets import PRESETS
from qse_hw.sim.cycle.encoder import EncoderModel
from qse_hw.sim.replay.plan import Outcome
from qse_hw.study.bench import calibrate, cycle, generate, replay, synth
from qse_hw.study.bench import quantize as quantize


def outcome(run, seconds, **changes):
    zeros = dict.fromkeys(("wrong_codes", "wrong_values", "missing", "extra", "unknown", "violations"), 0)
    return Outcome(**zeros | {"run": run, "values": 1000, "cycles": 9, "seconds": seconds, "wrong_inputs": 0,
                              "wrong_flags": 0, "first": ""} | changes)  # fmt: skip


@pytest.fixture
def small(monkeypatch):
    """Few values, and stand-ins for the simulations; returns the arguments that they got."""
    seen = {}

    def naive(x, choice, *, input):
        seen["naive"] = x
        return 100.0

    def simulate(tensors, choices, **how):
        seen.update(how, tensors=tensors)
        return seen.get("outcomes", [outcome("full speed", 0.25), outcome("random stalls", 0.5)])

    monkeypatch.setattr(quantize, "VALUES", 1 << 14)
    monkeypatch.setattr(quantize, "REPEATS", 1)
    monkeypatch.setattr(generate, "REPEATS", 1)
    monkeypatch.setattr(replay, "VALUES", 1 << 12)
    monkeypatch.setattr(calibrate, "VALUES", (1 << 10, 1 << 12, 1 << 13))
    monkeypatch.setattr(calibrate, "REPEATS", 2)
    monkeypatch.setattr(cycle, "CYCLES", 400)
    monkeypatch.setattr(synth, "UNIT", "decoder --format int8 --baseline none --seeds 1")
    monkeypatch.setattr(synth, "REPEATS", 1)
    monkeypatch.setattr(Fitter, "least_squares", lambda fitter, spec: seen.setdefault("specs", []).append(spec.name))
    monkeypatch.setattr("qse_hw.sim.replay.replay.measure_naive", naive)
    monkeypatch.setattr("qse_hw.sim.replay.replay.replay", simulate)
    return seen


@pytest.mark.full
def test_figures(small, out, capsys):
    parts = "quantize,calibrate,generate,replay,cycle,synth"  # the others: tests/qse_hw/study/bench
    assert main(["bench", "--parts", parts, "--json", str(out / "new" / "b.json")]) == 0
    assert os.listdir(out / "new") == ["b.json"]
    document = json.loads((out / "new" / "b.json").read_text())
    assert (document["schema"], document["seed"]) == ("qse-hw/bench/1", 2601)
    assert {"versions", "python", "machine", "commit"} <= set(document)
    figures = document["quantize"]
    assert figures["values"] == 1 << 14
    ours, baselines = ["se8, NumPy"], ["INT8, plain NumPy", "float8_e4m3fn, ml_dtypes cast"]
    assert [*ours, *baselines] == [*figures["seconds"]]
    assert all(len(times) == 2 and min(times) > 0 for times in figures["all_seconds"].values())
    for name in ours:
        for baseline in baselines:
            ratio = figures["seconds"][baseline] / figures["seconds"][name]
            assert figures["speed_relative_to"][name][baseline] == ratio
    figures = document["calibrate"]
    assert (figures["values"], figures["repeats"]) == ([1 << 10, 1 << 12, 1 << 13], 2)
    names = ["tuned, 6 segments", "tuned, 4 segments", "presets", "Lloyd-Max"]
    assert [*figures["seconds"]] == [*figures["growth"]] == [*figures["all_seconds"]] == names
    assert small["specs"] == 6 * ["tuned:segments=6", "tuned:segments=4", *PRESETS]
    for name in names:
        assert [len(times) for times in figures["all_seconds"][name]] == [2, 2, 2]
        assert figures["seconds"][name] == [sum(times) / 2 for times in figures["all_seconds"][name]]
        logs = [[math.log(amount) for amount in amounts] for amounts in (figures["values"], figures["seconds"][name])]
        assert figures["growth"][name] == pytest.approx(statistics.linear_regression(*logs).slope)
    assert 1.1 < figures["growth_n_log_n"] < 1.15
    assert document["generate"]["encoder_seconds"] > 0
    assert document["generate"]["help_seconds"] > 0
    figures = document["replay"]
    assert (figures["naive_values_per_second"], figures["lanes"]) == (100, 128)
    assert figures["values_per_second"] == {"full speed": 4000, "random stalls": 2000}
    assert figures["ratio"] == {"full speed": 40, "random stalls": 20}
    assert small["tensors"]["x"].size == 1 << 12
    assert small["naive"].shape[0] == 1
    figures = document["cycle"]
    assert [*figures["units"]] == [
        "encoder se8 fp32 scale=runtime", "encoder se8 fp32 scale=runtime x8",
        "decoder se8 x8", "hadamard 96 s8 x8", "linear se8 64:16 4x8"
    ]  # fmt: skip
    for unit in figures["units"].values():
        assert unit["cycles"] == 400
        assert [len(times) for times in unit["all_seconds"].values()] == [3, 3]
        assert unit["amaranth_seconds"] == statistics.median(unit["all_seconds"]["amaranth"])
        assert unit["model_seconds"] == statistics.median(unit["all_seconds"]["model"])
        assert unit["ratio"] == unit["amaranth_seconds"] / unit["model_seconds"] > 1
    said = capsys.readouterr().out
    for word in ("se8, NumPy", "ml_dtypes cast", "replay, 128 lanes, full speed", "40.0", "gen --help",
                 "tuned, 6 segments", "n log n", "8,192 values", "linear se8 64:16 4x8"):
        assert word in said


def test_mismatches_make_no_figures(small, out):
    small["outcomes"] = [outcome("full speed", 1.0, wrong_codes=1)]
    with pytest.raises(SystemExit) as caught:
        main(["bench", "--parts", "quantize,replay", "--json", str(out / "b.json")])
    assert caught.value.code == "the replay found mismatches; run the replay command"
    assert os.listdir(out) == []


def test_a_model_that_errs_makes_no_figures(small, out, monkeypatch):
    def wrong(model, stimulus):
        trace = right(model, stimulus)
        trace["o__valid"][11] ^= True
        return trace

    right = EncoderModel.run
    monkeypatch.setattr(EncoderModel, "run", wrong)
    sentence = r"^the model of encoder se8 fp32 scale=runtime differs .*: cycle 11: o__valid is"
    with pytest.raises(SystemExit, match=sentence):
        main(["bench", "--parts", "cycle", "--json", str(out / "b.json")])
    assert os.listdir(out) == []


def test_parts(small, out):
    assert main(["bench", "--parts", "calibrate", "--json", str(out / "b.json")]) == 0
    document = json.loads((out / "b.json").read_text())
    assert "calibrate" in document
    assert not ({*PARTS} - {"calibrate"}) & document.keys()


@pytest.mark.parametrize("parts", ["", "speed", "replay,speed"])
def test_unknown_parts(capsys, parts):
    assert main(["bench", "--parts", parts]) == 2
    rule = f"Parts must be among {', '.join(PARTS)}"
    assert capsys.readouterr().err == f"error: {rule}, not {parts!r}\n"


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["--device", "tpu"], "Device must be one of cpu, cuda, not 'tpu'"),
        (["--device", "cuda", "--parts", "tensors,cycle"], "Parts on a GPU must be among tensors, decode, not 'cycle'"),
        (["--parts", "decode", "--shapes", "9b"], "Shape must be one of "),
    ],
)
def test_devices_and_shapes(capsys, out, arguments, rule):
    assert main(["bench", *arguments, "--json", str(out / "b.json")]) == 2
    assert capsys.readouterr().err.startswith(f"error: {rule}")
    assert os.listdir(out) == []


def test_no_gpu(capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["bench", "--device", "cuda"]) == 2
    assert capsys.readouterr().err == "error: Device must be cpu, as PyTorch finds no GPU here, not 'cuda'\n"
