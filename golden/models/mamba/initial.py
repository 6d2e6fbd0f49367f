"""The published initialization of a block and of a model, from a seed.

Source: both papers' code releases. Time steps are log-uniform in [1e-3, 1e-1], residual outputs scaled down by depth.
"""

import math

import torch
from torch import Tensor, nn

from qse_hw.golden.models.mamba.mamba2 import Mamba2Mixer
from qse_hw.golden.models.mamba.model import Block, Config, Mamba


@torch.no_grad()
def initialize_block(block: Block, n_layer: int, draw: torch.Generator) -> None:
    """Set every weight of a block."""
    mixer = block.mixer
    block.norm.weight.fill_(1.0)
    for linear in (mixer.in_proj, mixer.out_proj):
        nn.init.kaiming_uniform_(linear.weight, a=math.sqrt(5), generator=draw)
    mixer.out_proj.weight /= math.sqrt(n_layer)
    bound = mixer.conv1d.kernel_size[0] ** -0.5
    for parameter in mixer.conv1d.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=draw)
    mixer.D.fill_(1.0)
    if isinstance(mixer, Mamba2Mixer):
        mixer.norm.weight.fill_(1.0)
        mixer.A_log.copy_(nn.init.uniform_(mixer.A_log, 1.0, 16.0, generator=draw).log())
        mixer.dt_bias.copy_(_dt_bias(mixer.dt_bias, draw))
    else:
        nn.init.kaiming_uniform_(mixer.x_proj.weight, a=math.sqrt(5), generator=draw)
        bound = mixer.dt_proj.in_features**-0.5
        nn.init.uniform_(mixer.dt_proj.weight, -bound, bound, generator=draw)
        mixer.A_log.copy_(torch.arange(1.0, mixer.A_log.shape[1] + 1).log().expand_as(mixer.A_log))
        mixer.dt_proj.bias.copy_(_dt_bias(mixer.dt_proj.bias, draw))


def _dt_bias(like: Tensor, draw: torch.Generator) -> Tensor:
    """The inverse softplus of steps log-uniform in [1e-3, 1e-1]."""
    steps = nn.init.uniform_(torch.empty_like(like), math.log(1e-3), math.log(1e-1), generator=draw).exp()
    return steps + torch.log(-torch.expm1(-steps))


def embedding(config: Config, seed: int) -> Tensor:
    """The embedding (vocab_size, d_model)."""
    draw = torch.Generator().manual_seed(seed)
    return nn.init.normal_(torch.empty(config.vocab_size, config.d_model), std=0.02, generator=draw)


def random_block(config: Config, layer: int, seed: int) -> Block:
    """Block ``layer``, which depends on the seed and its number alone."""
    with torch.device("meta"):  # skips the constructor's own random weights
        block = Block(config)
    block.to_empty(device="cpu")
    initialize_block(block, config.n_layer, torch.Generator().manual_seed((seed << 20) + layer + 1))
    return block.eval().requires_grad_(False)


def initialize(model: Mamba, seed: int) -> None:
    """Every weight of a model but an untied head's."""
    with torch.no_grad():
        model.backbone.embedding.weight.copy_(embedding(model.config, seed))
    for i, block in enumerate(model.blocks):
        initialize_block(block, model.config.n_layer, torch.Generator().manual_seed((seed << 20) + i + 1))
