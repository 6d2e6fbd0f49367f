"""The initialisation has the published distribution, and depends on nothing but the seed."""

import pytest
import torch
import torch.nn.functional as F

from qse_hw.golden.models.mamba.initial import initialize, random_block
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Config, Mamba, MambaConfig

CONFIGS = [
    MambaConfig(d_model=64, n_layer=4, vocab_size=61),
    Mamba2Config(d_model=64, n_layer=4, vocab_size=61, d_state=8, headdim=2),
]


@pytest.mark.parametrize("config", CONFIGS, ids=["mamba1", "mamba2"])
def test_a_block_alone_is_that_of_the_model(config: Config) -> None:
    model = Mamba(config)
    initialize(model, 5)
    for layer in (2, 0):
        for name, weight in random_block(config, layer, 5).named_parameters():
            assert torch.equal(weight, model.blocks[layer].get_parameter(name)), name
    with pytest.raises(AssertionError):
        torch.testing.assert_close(model.blocks[0].mixer.in_proj.weight, model.blocks[1].mixer.in_proj.weight)


@pytest.mark.parametrize("config", CONFIGS, ids=["mamba1", "mamba2"])
def test_distribution(config: Config) -> None:
    block = random_block(config, 0, 0)
    mixer = block.mixer
    steps = F.softplus(mixer.dt_bias if config.architecture == "mamba2" else mixer.dt_proj.bias)
    assert 0.99e-3 < steps.min() < 2e-3
    assert 0.05 < steps.max() < 0.101
    decays = mixer.A_log.exp()
    if config.architecture == "mamba2":
        assert 1 <= decays.min() < 2 < 14 < decays.max() <= 16
    else:
        torch.testing.assert_close(decays, torch.arange(1.0, 17).expand(128, 16))
    assert (mixer.D == 1).all()
    for norm in (block.norm, mixer.norm) if config.architecture == "mamba2" else (block.norm,):
        assert (norm.weight == 1).all()
    assert mixer.out_proj.weight.abs().max() <= 128**-0.5 / 2  # two is the root of the depth
    for weight, inputs in ((mixer.in_proj.weight, 64), (mixer.conv1d.weight, 4), (mixer.conv1d.bias, 4)):
        limit = inputs**-0.5  # of a uniform distribution, as PyTorch has it
        assert -limit <= weight.min() < -0.9 * limit
        assert 0.9 * limit < weight.max() <= limit
