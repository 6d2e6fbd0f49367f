"""Mamba language models in plain PyTorch, named and shaped like ``state-spaces/mamba-130m`` and ``mamba2-130m``.

This file has the Mamba-1 block, and the models made of blocks of either kind;
:mod:`qse_hw.golden.models.mamba.mamba2` has the Mamba-2 block.
Source: Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces" (2023), section 3.
Shapes: batch b, length l, ``d_model`` m, ``d_inner`` d, ``d_state`` n, ``dt_rank`` r.
"""

import functools
import math
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba import mamba2
from qse_hw.golden.models.mamba.common import Kernels, LayerTransform, RMSNorm, Sizes, Transform, conv_silu
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config, Mamba2Mixer

_CHUNK = 32  # time steps whose decays and inflows, each (steps, b, d, n), are held at once


@dataclass(frozen=True, kw_only=True)
class MambaConfig(Sizes):
    """The sizes of a Mamba-1. ``dt_rank`` 0 means ``ceil(d_model / 16)``, as does "auto" in a checkpoint."""

    architecture: ClassVar[str] = "mamba1"

    d_state: int = 16
    dt_rank: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.dt_rank, bool) or not isinstance(self.dt_rank, int) or self.dt_rank < 0:
            raise InputError(f"dt_rank must be a positive integer or 0 for automatic, not {self.dt_rank!r}")
        if self.dt_rank == 0:
            object.__setattr__(self, "dt_rank", math.ceil(self.d_model / 16))


Config = MambaConfig | Mamba2Config


def block_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """The name and shape of every weight of a block."""
    if isinstance(config, Mamba2Config):
        return mamba2.block_shapes(config)
    m, d, n, r = config.d_model, config.d_inner, config.d_state, config.dt_rank
    return {
        "norm.weight": (m,),
        "mixer.in_proj.weight": (2 * d, m),  # x over z
        "mixer.conv1d.weight": (d, 1, config.d_conv),
        "mixer.conv1d.bias": (d,),
        "mixer.x_proj.weight": (r + 2 * n, d),  # dt over B over C
        "mixer.dt_proj.weight": (d, r),
        "mixer.dt_proj.bias": (d,),
        "mixer.A_log": (d, n),
        "mixer.D": (d,),
        "mixer.out_proj.weight": (m, d),
    }


def weight_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Every weight's name and shape, without building the model; a tied ``lm_head.weight`` is left out."""
    shapes: dict[str, tuple[int, ...]] = {
        "backbone.embedding.weight": (config.vocab_size, config.d_model),
        "backbone.norm_f.weight": (config.d_model,),
    }
    if not config.tie_embeddings:
        shapes["lm_head.weight"] = (config.vocab_size, config.d_model)
    block = block_shapes(config)
    for i in range(config.n_layer):
        shapes |= {f"backbone.layers.{i}.{name}": shape for name, shape in block.items()}
    return shapes


def selective_scan(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor, dt_bias: Tensor
) -> Tensor:
    """The gated selective scan, one time step after another: (b, l, d).

    delta = softplus(dt + dt_bias); h = exp(delta A) h + delta B x; y = (C h + D x) * SiLU(z), with
    x, dt, z (b, l, d), A (d, n), B and C (b, l, n), D and dt_bias (d).
    """
    delta = F.softplus(dt + dt_bias).transpose(0, 1)  # time first, so that a step is contiguous
    inflow, B, C = delta * x.transpose(0, 1), B.transpose(0, 1), C.transpose(0, 1)
    h = x.new_zeros(x.shape[0], x.shape[2], A.shape[1])
    outputs = []
    for start in range(0, x.shape[1], _CHUNK):  # everything but the recurrence is computed for a whole chunk
        chunk = slice(start, start + _CHUNK)
        decays = torch.exp(delta[chunk, :, :, None] * A)
        inflows = inflow[chunk, :, :, None] * B[chunk, :, None, :]
        states = []
        for decay, flow in zip(decays, inflows, strict=True):
            h = torch.addcmul(flow, decay, h)
            states.append(h)
        outputs.append((torch.stack(states) @ C[chunk, :, :, None]).squeeze(-1))
    return (torch.cat(outputs).transpose(0, 1) + D * x) * F.silu(z)


PLAIN = Kernels(conv_silu, selective_scan)


class Mixer(nn.Module):
    """One Mamba block between norm and residual: (b, l, m) -> (b, l, m)."""

    def __init__(self, config: MambaConfig) -> None:
        super().__init__()
        d, r, n = config.d_inner, config.dt_rank, config.d_state
        self.in_proj = nn.Linear(config.d_model, 2 * d, bias=False)
        self.conv1d = nn.Conv1d(d, d, config.d_conv, groups=d)
        self.x_proj = nn.Linear(d, r + 2 * n, bias=False)
        self.dt_proj = nn.Linear(r, d)
        self.A_log = nn.Parameter(torch.log(torch.arange(1.0, n + 1)).repeat(d, 1))
        self.D = nn.Parameter(torch.ones(d))
        self.out_proj = nn.Linear(d, config.d_model, bias=False)
        self.split = (r, n, n)
        self.quantizer: nn.Module | None = None  # of x; see qse_hw.golden.models.mamba.quantize

    def forward(self, hidden: Tensor, kernels: Kernels, transform: LayerTransform | None) -> Tensor:
        """``transform`` sees, and may replace, x (b, l, d) on its way to the quantizer, x_proj and the scan."""
        x, z = self.in_proj(hidden).chunk(2, dim=-1)
        x = kernels.conv_silu(x, self.conv1d.weight, cast(Tensor, self.conv1d.bias))
        if transform is not None:
            x = transform("x", x)
        if self.quantizer is not None:
            x = self.quantizer(x)
        dt, B, C = self.x_proj(x).split(self.split, dim=-1)
        dt = F.linear(dt, self.dt_proj.weight)
        y = kernels.selective_scan(x, dt, -torch.exp(self.A_log), B, C, self.D, z, self.dt_proj.bias)
        projected: Tensor = self.out_proj(y)
        return projected


class Block(nn.Module):
    """norm, mixer of either kind, residual: (b, l, m) -> (b, l, m)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.norm = RMSNorm(config.d_model, config.eps)
        self.mixer = Mamba2Mixer(config) if isinstance(config, Mamba2Config) else Mixer(config)

    def forward(self, residual: Tensor, kernels: Kernels = PLAIN, transform: LayerTransform | None = None) -> Tensor:
        """The residual stream (b, l, m) after this layer; ``transform`` as the mixer's."""
        return residual + cast(Tensor, self.mixer(self.norm(residual), kernels, transform))


class Backbone(nn.Module):
    """Embedding, blocks, final norm."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.norm_f = RMSNorm(config.d_model, config.eps)


class Mamba(nn.Module):
    """A Mamba-1 or Mamba-2 language model in float32: token ids (b, l) -> logits (b, l, vocab_size)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.kernels = PLAIN
        self.backbone = Backbone(config)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        if config.tie_embeddings:
            self.lm_head.weight = self.backbone.embedding.weight

    def forward(self, ids: Tensor, transform: Transform | None = None) -> Tensor:
        """Logits (b, l, vocab_size) for ids (b, l); ``transform`` observes or replaces every layer's SSM inputs."""
        logits: Tensor = self.lm_head(self.features(ids, transform))
        return logits

    def features(self, ids: Tensor, transform: Transform | None = None) -> Tensor:
        """The normalized residual stream (b, l, m) that ``lm_head`` reads."""
        residual: Tensor = self.backbone.embedding(ids)
        for i, block in enumerate(self.blocks):
            residual = block(residual, self.kernels, None if transform is None else functools.partial(transform, i))
        normalized: Tensor = self.backbone.norm_f(residual)
        return normalized

    @property
    def blocks(self) -> list[Block]:
        """The layers, first to last."""
        return cast(list[Block], list(self.backbone.layers))
