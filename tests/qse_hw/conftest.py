"""What the command-line tests share: a small file of activations, its calibration, and how a refusal looks."""

import os

import numpy as np
import pytest

from qse_hw.cli import main
from qse_hw.golden.calibration.calibrate import Layer, calibrate
from qse_hw.golden.calibration.calibration import write_calibration
from qse_hw.golden.io.activations import write_activations

MODEL = "5eed" * 16


@pytest.fixture(scope="session")
def tensors():
    """Two layers of 16 tokens and 32 channels, like SiLU outputs."""
    z = np.random.default_rng(5).standard_normal((2, 16, 32), np.float32) * np.float32(2)
    return {f"layers.{i}.x": x for i, x in enumerate(z / (1 + np.exp(-z)))}


@pytest.fixture(scope="session")
def activations(tensors, tmp_path_factory):
    path = tmp_path_factory.mktemp("activations") / "a.safetensors"
    write_activations(path, tensors, {"model": MODEL})
    return path


@pytest.fixture(scope="session")
def calibration(tensors, tmp_path_factory):
    """Of the activations, for se8 with L = 12."""
    path = tmp_path_factory.mktemp("calibration") / "c.json"
    write_calibration(path, calibrate([Layer(x=x) for x in tensors.values()], "se8:L=12", model=MODEL))
    return path


@pytest.fixture
def out(tmp_path):
    """An empty output folder."""
    path = tmp_path / "out"
    path.mkdir()
    return path


@pytest.fixture
def refused(capsys, out):
    """Run a command that must refuse: status 2, one sentence on stderr (returned), nothing written to ``out``."""

    def refuse(*argv):
        assert main([str(word) for word in argv]) == 2
        said = capsys.readouterr()
        assert said.err.startswith("error: ")
        assert said.err.count("\n") == 1
        assert said.err.endswith("\n")
        assert "Traceback" not in said.out + said.err
        assert os.listdir(out) == []
        return said.err.removeprefix("error: ").rstrip("\n")

    return refuse
