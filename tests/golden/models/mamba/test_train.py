"""Training: the measure, the order of the data, the schedule, and a short run that is continued."""

import argparse
import hashlib
import io
import itertools
import json
import math
import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from qse_hw.golden.models.mamba.checkpoint import BUNDLED, BUNDLED_MAMBA2, fingerprint, load_model
from qse_hw.golden.models.mamba.initial import initialize
from qse_hw.golden.models.mamba.layout import read_config
from qse_hw.golden.models.mamba.model import Mamba, MambaConfig
from qse_hw.golden.models.mamba.train import batch_at, bits_per_byte, main, rate_at, sizes


@pytest.mark.parametrize("count", [2, 33, 64, 65, 96, 97, 200])
def test_bits_per_byte_counts_every_byte_once(count: int) -> None:
    torch.manual_seed(9)
    model = Mamba(MambaConfig(d_model=16, n_layer=1, vocab_size=256))
    data = torch.randint(256, (count,), dtype=torch.uint8)
    with torch.no_grad():
        model.lm_head.weight.zero_()
    assert math.isclose(bits_per_byte(model, data, window=64, stride=32, batch=3), 8.0, rel_tol=1e-6)


def test_bits_per_byte_equals_one_long_window() -> None:
    torch.manual_seed(10)
    model = Mamba(MambaConfig(d_model=16, n_layer=1, vocab_size=256))
    data = torch.randint(256, (200,), dtype=torch.uint8)
    whole = bits_per_byte(model, data, window=200)
    logits = model(data[None, :-1].long())
    expected = torch.nn.functional.cross_entropy(logits[0], data[1:].long()).item() / math.log(2)
    assert math.isclose(whole, expected, rel_tol=1e-6)
    # A state forgets, so shorter windows come close, but are not the same.
    assert math.isclose(bits_per_byte(model, data, window=100, stride=50, batch=2), whole, rel_tol=1e-2)


def test_an_epoch_sees_every_window_once() -> None:
    data = torch.arange(250, dtype=torch.uint8)  # a byte tells its place
    steps = [batch_at(data, step, batch=3, length=16, seed=0) for step in range(4)]
    assert all(torch.equal(ids, ids[:, :1] + torch.arange(17)) for ids in steps)
    starts = sorted(int(row[0]) for ids in steps for row in ids)
    assert [b - a for a, b in itertools.pairwise(starts)] == [16] * 11
    assert not torch.equal(batch_at(data, 4, batch=3, length=16, seed=0), steps[0])  # the next epoch differs


def test_schedule() -> None:
    assert [round(rate_at(s), 3) for s in (0.0, 0.01, 0.02, 0.35, 0.675, 1.0)] == [0.01, 0.5, 1.0, 1.0, 0.5, 0.0]


@pytest.mark.full
@pytest.mark.parametrize("arch", [["mamba1"], ["mamba2", "--d-state", "8", "--headdim", "16"]], ids=lambda a: a[0])
@pytest.mark.filterwarnings("default")
def test_a_run_that_is_continued_learns_and_records(arch: list[str], tmp_path: Path) -> None:
    begin, text = time.monotonic(), tmp_path / "text"
    text.write_bytes(b"the quiet don flows " * 200)
    common = [
        "--text",
        str(text),
        "--valid",
        str(text),
        "-o",
        str(tmp_path / "out"),
        "--d-model",
        "16",
        "--layers",
        "1",
        "--arch",
        *arch,
    ]
    common += ["--batch", "2", "--length", "64", "--every", "10", "--rate", "0.01"]
    main([*common, "--steps", "10"])
    main([*common, "--steps", "30"])
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["steps"] == 30
    assert [row[0] for row in record["history"]["rows"]] == [10, 20, 30]
    assert record["bits_per_byte"] < 6
    digest = hashlib.sha256(text.read_bytes()).hexdigest()
    assert record["texts"] == {kind: {"name": "text", "bytes": 4000, "sha256": digest} for kind in ("train", "valid")}
    assert record["tokens"] == 30 * 2 * 64
    given = {"batch": 2, "length": 64, "rate": 0.01, "seed": 0}
    assert {name: record[name] for name in given} == given
    assert record["minutes"] <= (time.monotonic() - begin) / 60 + 0.05  # rounded
    assert all(0 < bits < 9 and isinstance(bits, float) for row in record["history"]["rows"] for bits in row[2:])
    model = load_model(tmp_path / "out")
    assert record["fingerprint"] == fingerprint(model)
    assert model.config.architecture == arch[0]


@pytest.mark.parametrize("folder", [BUNDLED, BUNDLED_MAMBA2], ids=lambda folder: folder.name)
def test_the_defaults_make_the_bundled_models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[argparse.Namespace] = []
    monkeypatch.setattr("qse_hw.golden.models.mamba.train.train", lambda options, console: asked.append(options))
    config = read_config(folder)
    main(["--text", "t", "--valid", "v", "-o", "o", "--arch", config.architecture])
    assert sizes(asked[0]) == config


@pytest.mark.full
def test_the_rate_rises_from_a_hundredth(tmp_path: Path) -> None:
    """A first step moves no weight by more than about the rate, which is 0.001 then, of 0.1."""
    text = tmp_path / "text"
    text.write_bytes(b"the quiet don flows " * 50)
    options = ["--d-model", "16", "--layers", "1", "--batch", "2", "--length", "64", "--rate", "0.1", "--steps", "1"]
    main(["--text", str(text), "--valid", str(text), "-o", str(tmp_path), *options])
    trained, before = load_model(tmp_path), Mamba(MambaConfig(d_model=16, n_layer=1, vocab_size=256))
    initialize(before, 0)
    moved = (trained.backbone.embedding.weight - before.backbone.embedding.weight).abs().max().item()
    assert 0.0005 < moved < 0.002


def test_what_is_shown_and_how_time_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by ten minutes whenever it is looked at: once before all, and once before every step."""
    text, shown, ticks = tmp_path / "text", io.StringIO(), itertools.count(0, 600)
    text.write_bytes(b"the quiet don flows " * 50)
    monkeypatch.setattr("qse_hw.golden.models.mamba.train.time", SimpleNamespace(monotonic=lambda: next(ticks)))
    plain = Mamba(MambaConfig(d_model=16, n_layer=1, vocab_size=256)).kernels
    monkeypatch.setattr("qse_hw.golden.models.mamba.train.FAST", plain)  # need not be built
    monkeypatch.setenv("TERM", "xterm")  # a bar is no use to a dumb terminal
    console = Console(file=shown, force_terminal=True, width=100)
    monkeypatch.setattr("qse_hw.golden.models.mamba.train.Console", lambda: console)
    options = ["--arch", "mamba2", "--d-model", "16", "--layers", "1", "--d-state", "8", "--headdim", "16"]
    options += ["--batch", "2", "--length", "64", "--steps", "2", "--every", "1"]
    main(["--text", str(text), "--valid", str(text), "-o", str(tmp_path), *options])
    record = json.loads((tmp_path / "training.json").read_text())
    assert record["minutes"] == 30
    columns, rows = record["history"]["columns"], record["history"]["rows"]
    assert columns[:2] == ["step", "seconds"]
    assert [row[:2] for row in rows] == [[1, 600], [2, 1200]]
    assert {len(row) for row in rows} == {len(columns)}
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "\n", shown.getvalue())
    assert re.search(r"^training\b", lines, re.MULTILINE)  # the bar, before the first step
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue())
    for step, minutes, row in ((1, 10, rows[0]), (2, 20, rows[1])):
        assert f"step {step}  {minutes}.0 min  train {row[2]:.4f}  valid (64 KiB) {row[3]:.4f}" in said
    assert f"final: {record['bits_per_byte']:.4f} bits per byte, 256 tokens in 30.0 minutes" in said


def test_the_fast_scan_has_one_state_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--text", "t", "--valid", "v", "-o", str(tmp_path), "--d-state", "8"])
    assert "--d-state must be 16 for mamba1" in capsys.readouterr().err


def test_bad_input_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = tmp_path / "short"
    short.write_bytes(b"x")
    with pytest.raises(SystemExit) as caught:
        main(["--text", str(short), "--valid", str(short), "-o", str(tmp_path / "out")])
    assert caught.value.code == 2
    assert "must have at least 5121 bytes, not 1" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["--text", str(short), "--valid", str(short)])
    assert caught.value.code == 2
    assert "required: -o/--output" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["--text", str(short), "--valid", str(short), "-o", str(tmp_path / "out"), "--arch", "mamba3"])
    assert caught.value.code == 2
    assert "--arch: invalid choice: 'mamba3'" in capsys.readouterr().err
