"""A small model, its formats and a report about it, for the tests of the recipe integer."""

import json

import pytest
import torch

from qse_hw.cli import main
from qse_hw.golden.models.mamba.checkpoint import save_model
from qse_hw.golden.models.mamba.initial import initialize
from qse_hw.golden.models.mamba.model import Mamba, MambaConfig
from tests.qse_hw.cli.integer import FEW


@pytest.fixture(scope="package")
def model(tmp_path_factory):
    made = Mamba(MambaConfig(d_model=16, n_layer=2, vocab_size=256, d_state=4)).eval().requires_grad_(False)
    initialize(made, 3)
    draw = torch.Generator().manual_seed(7)
    for name, weight in made.named_parameters():  # so that predictions are not all alike
        weight.add_(torch.randn(weight.shape, generator=draw), alpha=0.5 if "embedding" in name else 0.2)
    folder = tmp_path_factory.mktemp("model")
    save_model(made, folder, dtype=torch.float32)
    return folder


@pytest.fixture(scope="package")
def formats(model, tmp_path_factory):
    """Of that model on 512 tokens of Python's help texts, by the command."""
    path = tmp_path_factory.mktemp("formats") / "i.json"
    words = ("--recipe", "integer", "--model", model, "--tokens", "700", "--format", "se8:L=8")
    assert main(["calibrate", *map(str, words), "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="package")
def report(model, formats, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "e.json"
    words = ("--model", model, *FEW, "--calibration", formats, "--parts", "baselines,tensors", "--json", path)
    assert main(["eval", "--recipe", "integer", *map(str, words)]) == 0
    return json.loads(path.read_text(), parse_constant=pytest.fail)
