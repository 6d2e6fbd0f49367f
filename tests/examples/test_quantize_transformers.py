"""The example that quantizes a Mamba of transformers: the random one, a checkpoint, and what it refuses."""

import re

import pytest
import torch
from transformers import Mamba2Config, Mamba2ForCausalLM

from tests.examples.run import refusal, run

NAME = "quantize_transformers.py"
LINE = r"^(\S+) +SQNR of x (\S+) to (\S+) dB, KL divergence (\S+), greatest difference of a logit (\S+)$"


def figures(done):
    """The losses of each format."""
    assert done.returncode == 0, done.stdout + done.stderr
    losses = re.findall(LINE, done.stdout, re.MULTILINE)
    return {name: tuple(map(float, numbers)) for name, *numbers in losses}


def compare(losses, better):
    """``better`` loses less than int8, in x and in the predictions."""
    assert list(losses) == ["int8", better]
    (least, most, kl, _), (better_least, better_most, better_kl, _) = losses.values()
    assert least <= most < better_least <= better_most
    assert 0 < better_kl < 0.5 * kl


@pytest.mark.full
def test_the_random_model(tmp_path):
    compare(figures(run(NAME, folder=tmp_path)), "tuned")


@pytest.mark.full
def test_a_checkpoint(tmp_path):
    torch.manual_seed(1)
    config = Mamba2Config(
        vocab_size=256,
        hidden_size=32,
        num_hidden_layers=2,
        expand=2,
        num_heads=4,
        head_dim=16,
        state_size=8,
        n_groups=1,
    )
    Mamba2ForCausalLM(config).save_pretrained(tmp_path / "model")
    compare(figures(run(NAME, "model", "--format", "se8", folder=tmp_path)), "se8")


@pytest.mark.full
def test_refused(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    assert refusal(NAME, "missing", folder=folder) == "Checkpoint missing must be a folder with config.json and weights"
    (tmp_path / "config.json").write_text('{"model_type": "mamba"}')
    assert refusal(NAME, "..", folder=folder).startswith("Checkpoint .. cannot be loaded by transformers: ")
