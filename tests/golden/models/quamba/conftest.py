"""Small random models that need every part of the recipe."""

import pytest
import torch

from qse_hw.golden.models.mamba.model import Mamba, MambaConfig
from qse_hw.golden.models.quamba.calibrate import calibrate_quamba

torch.set_num_threads(1)  # much faster than two for small models when other test processes want the cores too

SEQUENCE = 24


def random_model(config) -> Mamba:
    torch.manual_seed(6)
    model = Mamba(config).eval().requires_grad_(False)
    for name, p in model.named_parameters():  # nothing may hide behind ones and zeros
        p.add_(0.3 * torch.randn_like(p))
        if "embedding" in name:
            p.mul_(0.7)
    return model


@pytest.fixture(scope="session")
def model():
    """d_inner 24 = 12 * 2, so that the Hadamard transform has both of its factors."""
    return random_model(MambaConfig(d_model=12, n_layer=2, vocab_size=23, d_state=4, d_conv=3, dt_rank=5))


@pytest.fixture(scope="session")
def ids():
    return torch.randint(23, (10 * SEQUENCE + 7,), generator=torch.Generator().manual_seed(7))


@pytest.fixture(scope="session")
def calibration(model, ids):
    return calibrate_quamba(model, ids, tokens=len(ids), sequence=SEQUENCE, alpha=0.99)
