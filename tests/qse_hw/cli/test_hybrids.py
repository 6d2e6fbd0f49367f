"""capture, calibrate and eval of a hybrid that transformers runs: what they compute, say and refuse."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from qse_hw.cli import main
from qse_hw.golden.calibration.calibration import read_calibration
from qse_hw.golden.errors import InputError
from qse_hw.golden.io.activations import read_activations
from qse_hw.golden.models.mamba.pretrained import load_any
from qse_hw.golden.models.mamba.quantize import calibrate_model, quantize_model
from qse_hw.golden.models.mamba.text import read_text
from qse_hw.study.sources import TEXTS
from tests.golden.models.mamba.relatives import convolved, layers_of, relative
from tests.golden.models.mamba.small import logits

SAID = (
    "2 of the 4 layers of this BambaForCausalLM have a Mamba mixer, here numbered from 0: the model's layers 0, 2; "
    "attention and MLP are left alone"
)


@pytest.fixture(scope="module")
def hybrid():
    torch.set_num_threads(1)
    return relative("bamba", vocab_size=256)


@pytest.fixture(scope="module")
def folder(hybrid, tmp_path_factory):
    path = tmp_path_factory.mktemp("hybrid")
    hybrid.save_pretrained(path)
    return path


def test_capture_and_calibrate(hybrid, folder, out, capsys):
    path, calibration = out / "a.safetensors", out / "c.json"
    assert main(["capture", "--model", str(folder), "--tokens", "40", "-o", str(path)]) == 0
    assert SAID in " ".join(capsys.readouterr().out.split())
    tensors, metadata = read_activations(path)
    ids = read_text(None).ids[:40]
    with convolved(hybrid) as seen:
        logits(hybrid, ids[None])
    assert list(tensors) == ["layers.0.x", "layers.1.x"]
    for x, (_, theirs) in zip(tensors.values(), seen, strict=True):
        assert np.array_equal(x, theirs[0].T.numpy())
    assert (metadata["model"], metadata["norm_groups"]) == (layers_of(hybrid).fingerprint(), "2")
    expected = calibrate_model(hybrid, ids, "se8")
    for source in (("--activations", path), ("--model", folder, "--tokens", 40)):
        assert main(["calibrate", *map(str, source), "--format", "se8", "-o", str(calibration)]) == 0
        found = read_calibration(calibration)
        assert [one["least_squares"].quantizer for one in found.layers] == [
            one["least_squares"].quantizer for one in expected.layers
        ]
        assert (found.model, found.norm_groups) == (expected.model, 2)
    assert SAID in " ".join(capsys.readouterr().out.split())
    try:
        quantize_model(hybrid, calibration)
    finally:
        quantize_model(hybrid, None)


def test_a_pickle_is_not_opened(folder, tmp_path):
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    torch.save(load_file(folder / "model.safetensors"), tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"cannot be loaded by transformers: .*safetensors"):
        load_any(tmp_path)


@pytest.mark.full
def test_eval(hybrid, folder, out, capsys):
    """The figures are those of the model that quantize_model makes."""
    calibration, report = out / "c.json", out / "r.json"
    few = ["--model", str(folder), "--calibration-tokens", "64", "--tokens", "512"]
    text = ["--text", str(TEXTS / "calibration.txt"), "--tokens", "64"]
    assert main(["calibrate", "--model", str(folder), *text, "--format", "se8", "-o", str(calibration)]) == 0
    assert main(["eval", *few, "--formats", "se8", "--calibration", str(calibration), "--json", str(report)]) == 0
    assert SAID in " ".join(capsys.readouterr().out.split())
    document = json.loads(report.read_text())
    assert (document["model"]["layers"], document["model"]["fingerprint"]) == (2, layers_of(hybrid).fingerprint())
    assert document["formats"]["se8"]["kl"] == document["formats"]["calibration"]["kl"]  # the same quantizers
    window = read_text(TEXTS / "held-out.txt").ids[None, :512]
    plain = logits(hybrid, window)[0, :-1].double().log_softmax(-1)
    try:
        moved = logits(quantize_model(hybrid, calibration), window)[0, :-1].double().log_softmax(-1)
    finally:
        quantize_model(hybrid, None)
    kl = float((plain.exp() * (plain - moved)).sum(-1).mean())
    assert document["formats"]["se8"]["kl"]["mean"] == pytest.approx(kl, rel=1e-9)
    assert kl > 0


def test_what_a_hybrid_does_not_have_is_refused(folder, refused, out, tmp_path):
    for option, value in (("--recipe", "quamba"), ("--recipe", "integer"), ("--objective", "output")):
        said = refused("eval", "--model", folder, option, value, "--json", out / "r.json")
        assert said.startswith(f"Recipe must be x-only, and objective x, for {folder}, of which transformers runs all ")
    said = refused("calibrate", "--model", folder, "--objective", "output", "-o", out / "c.json")
    assert said == f"Objective must be x for {folder}, which is run by transformers, not output"
    said = refused("calibrate", "--model", folder, "--recipe", "integer", "-o", out / "c.json")
    assert 'model_type must be "mamba" or "mamba2", not \'bamba\'' in said
    lacking = tmp_path / "lacking"
    lacking.mkdir()
    (lacking / "config.json").write_bytes((folder / "config.json").read_bytes())
    said = refused("capture", "--model", lacking, "-o", out / "a.safetensors")
    assert said.startswith(f"Checkpoint {lacking} cannot be loaded by transformers: ")
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.2.mamba.A_log"]
    save_file(weights, lacking / "model.safetensors", metadata={"format": "pt"})
    said = refused("capture", "--model", lacking, "-o", out / "a.safetensors")
    assert said == f"Checkpoint {lacking} must have all of the model's tensors, but lacks model.layers.2.mamba.A_log"


def test_a_mamba_is_still_ours(tmp_path: Path):
    relative("mamba").save_pretrained(tmp_path)
    assert type(load_any(tmp_path)).__name__ == "Mamba"
