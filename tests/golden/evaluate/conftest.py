"""A small random Mamba of either kind and a text for it."""

import pytest
import torch

from qse_hw.golden.models.mamba.initial import initialize
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Mamba, MambaConfig

torch.set_num_threads(1)  # much faster than two for small models when other test processes want the cores too

VOCABULARY = 61
CONFIGS = {
    "mamba1": MambaConfig(d_model=16, n_layer=2, vocab_size=VOCABULARY),
    "mamba2": Mamba2Config(d_model=16, n_layer=2, vocab_size=VOCABULARY, d_state=8, headdim=16, chunk=8),
}


def random_model(architecture: str) -> Mamba:
    model = Mamba(CONFIGS[architecture]).eval().requires_grad_(False)
    initialize(model, 3)
    for name, p in model.named_parameters():
        if "embedding" in name:
            p.mul_(20)  # so that predictions are not all alike
    return model


@pytest.fixture(scope="session", params=list(CONFIGS))
def model(request) -> Mamba:
    return random_model(request.param)


@pytest.fixture(scope="session")
def mamba1() -> Mamba:
    return random_model("mamba1")


@pytest.fixture(scope="session")
def ids() -> torch.Tensor:
    return torch.randint(VOCABULARY, (1600,), generator=torch.Generator().manual_seed(8))
