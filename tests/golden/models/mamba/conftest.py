"""One thread is much faster than two for these small models when other test processes want the cores too."""

from pathlib import Path
from typing import Any

import pytest
import torch

from qse_hw.golden.models.mamba.checkpoint import load_model
from qse_hw.golden.models.mamba.model import Mamba
from tests.golden.models.mamba.small import made

torch.set_num_threads(1)


@pytest.fixture(params=["mamba", "mamba2"])
def theirs(request: pytest.FixtureRequest) -> Any:
    """A small model of transformers."""
    return made(request.param)


@pytest.fixture
def ours(theirs: Any, tmp_path: Path) -> Mamba:
    """The same weights in our model; they are in ``checkpoint``."""
    theirs.save_pretrained(tmp_path / "checkpoint")
    return load_model(tmp_path / "checkpoint")
