"""Bad checkpoints, texts, activations: one sentence, exit status 2, nothing written."""

import json
import os
import shutil

import numpy as np
import pytest

from qse_hw.golden.io.activations import write_activations
from qse_hw.golden.models.mamba.checkpoint import BUNDLED


def edited(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


CHECKPOINTS = {
    "no config": (lambda d: (d / "config.json").unlink(), "must hold config.json, and does not"),
    "no weights": (
        lambda d: (d / "model.safetensors").unlink(),
        "must hold model.safetensors or pytorch_model.bin, and does not",
    ),
    "truncated": (lambda d: os.truncate(d / "model.safetensors", 9999), "model.safetensors cannot be read: "),
    "empty": (lambda d: os.truncate(d / "model.safetensors", 0), "model.safetensors cannot be read: "),
    "garbage": (
        lambda d: ((d / "model.safetensors").unlink(), (d / "pytorch_model.bin").write_bytes(b"garbage")),
        "must be a complete PyTorch file of plain tensors",
    ),
    "config truncated": (lambda d: os.truncate(d / "config.json", 30), "cannot be read as JSON"),
    "another architecture": (
        lambda d: edited(d, model_type="bert"),
        "must be a Mamba or of transformers a MambaForCausalLM, Mamba2ForCausalLM, FalconMambaForCausalLM, ",
    ),
    "another architecture, by name": (
        lambda d: edited(d, model_type="bert"), "but in its config.json model_type is 'bert'"
    ),
    "Mamba-2": (lambda d: edited(d, ssm_cfg={"layer": "Mamba2"}), "must have a Mamba-2's tensors, but lacks "),
    "Mamba-3": (lambda d: edited(d, ssm_cfg={"layer": "Mamba3"}), "ssm_cfg.layer must be "),
    "another size": (lambda d: edited(d, d_model=10**12), "must have shape"),
    "another depth": (lambda d: edited(d, n_layer=10**9), "must have the 1000000000 layers of config.json, not 6"),
    "no tokenizer": (lambda d: edited(d, vocab_size=512), "must have shape (512, 256), not (256, 256)"),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints(refused, out, tmp_path, name):
    spoil, sentence = CHECKPOINTS[name]
    folder = shutil.copytree(BUNDLED, tmp_path / "checkpoint")
    spoil(folder)
    assert sentence in refused("capture", "--model", folder, "--tokens", "8", "-o", out / "new" / "a.safetensors")


def test_no_checkpoint(refused, out, tmp_path):
    for path in (tmp_path / "nowhere", __file__):
        said = refused("capture", "--model", path, "-o", out / "a.safetensors")
        assert said == f"Checkpoint {path} must be a folder with config.json and weights; it does not exist"


@pytest.mark.parametrize(
    ("tokens", "sentence"),
    [
        ("0", "Tokens must be at least 1, not 0"),
        ("-5", "Tokens must be at least 1, not -5"),
        ("6", "tokens must be at most the text's 5, not 6; give a longer text"),
        ("9" * 30, f"tokens must be at most the text's 5, not {'9' * 30}; give a longer text"),
        ("1e3", "argument --tokens: must be an integer, not '1e3'; see python -m qse_hw capture --help"),
    ],
)
def test_tokens(refused, out, tmp_path, tokens, sentence):
    text = tmp_path / "text"
    text.write_text("hello")
    assert refused("capture", "--text", text, "--tokens", tokens, "-o", out / "a.safetensors") == sentence


def test_texts(refused, out, tmp_path):
    capture = ("capture", "--tokens", "8", "-o", out / "a.safetensors", "--text")
    (tmp_path / "empty").touch()
    assert refused(*capture, tmp_path / "nowhere").endswith("nowhere cannot be read: No such file or directory")
    assert refused(*capture, tmp_path / "empty").endswith("empty must not be empty")
    assert refused(*capture, tmp_path).endswith(" cannot be read: Is a directory")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--alpha", "0"), "Alpha must be above 0 and at most 1, not 0.0"),
        (("--alpha", "nan"), "Alpha must be above 0 and at most 1, not nan"),
        (("--alpha", "99.95"), "Alpha must be above 0 and at most 1, not 99.95"),
        (("--alpha", "x"), "argument --alpha: invalid float value: 'x'"),
        (("--scale-bits", "0"), "Scale bits must be from 1 to 20, not 0"),
        (("--format", "int9"), "Format must be one of"),
        (("--format", "tuned:segments=9"), "Segments must be from 1 to 8, not 9"),
        (("--format", "tuned:L=1"), "Format tuned takes segments, bits, sign, headroom, not 'L=1'"),
        (("--format", "tuned:headroom=much"), "Format tuned: headroom must be a number, not 'much'"),
        (("--format", "tuned:headroom=0.5"), "Headroom must be from 1 to 8, not 0.5"),
        (("--format", "tuned", "--headroom", "9"), "Headroom must be from 1 to 8, not 9.0"),
        (("--format", "tuned:headroom=2", "--headroom", "3"), "Headroom must be given once, not as 3 and in tuned:"),
        (("--format", "se8", "--headroom", "2"), "Headroom must be for a tuned format, not for se8; leave it out"),
        (("--mode", "mine"), "Mode must be one of free, runtime, shared, not 'mine'"),
        (("--objective", "y"), "Objective must be one of x, output, not 'y'"),
        (("--objective", "output"), "Objective output needs the model: give --model and --text instead of"),
        (("--model", "m"), "Activations must come from a file or from a model and text: give either, not both"),
        (("--text", "t"), "Activations must come from a file or from a model and text: give either, not both"),
    ],
)
def test_calibrate_options(refused, out, monkeypatch, arguments, sentence):
    for name in ("from_file_or_default", "stream_model"):
        monkeypatch.setattr(f"qse_hw.cli.calibrate.{name}", lambda *args: pytest.fail("too late"))
    said = refused("calibrate", "--activations", "a", *arguments, "-o", out / "new" / "c.json")
    assert said.startswith(sentence)


ACTIVATIONS = {
    "missing": (None, "cannot be read"),
    "garbage": (b"garbage", "cannot be read"),
    "truncated": (300, "cannot be read"),
    "NaN": ({"layers.0.x": np.full((4, 4), np.nan, np.float32)}, "must be finite, but layers.0.x has NaN or infinity"),
    "integers": ({"layers.0.x": np.ones((4, 4), np.int32)}, "float32, float16 or bfloat16, but layers.0.x is I32"),
    "names": ({"x": np.ones((4, 4), np.float32)}, "must be named layers.0.x, layers.1.x and so on, not ['x']"),
    "zeros": ({"layers.0.x": np.zeros((4, 4), np.float32)}, "Activations must not all be zero"),
    "huge": ({"layers.0.x": np.full((4, 4), 3e38, np.float32)}, "Activations must have a peak from 2**-70 to 2**90"),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_files(refused, out, tmp_path, activations, name):
    from safetensors.numpy import save_file

    content, sentence = ACTIVATIONS[name]
    path = tmp_path / "a.safetensors"
    if isinstance(content, dict):
        save_file(content, path)
    elif content is not None:
        path.write_bytes(activations.read_bytes()[:content] if isinstance(content, int) else content)
    for command in (("calibrate", "-o"), ("compare", "--json"), ("replay", "--lanes", "4", "--json")):
        assert sentence in refused(*command, out / "new" / "f", "--activations", path)


def test_activations_without_a_scale(refused, out, tmp_path):
    path = tmp_path / "a.safetensors"
    write_activations(path, {"layers.0.x": np.zeros((2, 3), np.float32)})
    said = refused("calibrate", "--activations", path, "--format", "se8-silu", "-o", out / "c.json")
    assert said.startswith("Layer 0: Activations must not all be zero, a scale would be 0")
