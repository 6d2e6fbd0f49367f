"""Mamba-1 in plain PyTorch, named and shaped like ``state-spaces/mamba-130m``.

Source: Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces" (2023), section 3.
Shapes: batch b, length l, ``d_model`` m, ``d_inner`` d, ``d_state`` n, ``dt_rank`` r.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from golden.errors import InputError

XTransform = Callable[[int, Tensor], Tensor]
"""``(layer, x) -> x``: sees, and may replace, the SSM input x (b, l, d) of a layer."""

_CHUNK = 32  # time steps whose decays and inflows, each (steps, b, d, n), are held at once


@dataclass(frozen=True, kw_only=True)
class MambaConfig:
    """The sizes of a Mamba. ``dt_rank`` 0 means ``ceil(d_model / 16)``, as does "auto" in a checkpoint."""

    d_model: int
    n_layer: int
    vocab_size: int
    d_state: int = 16
    d_conv: int = 4
    expand: int = 2
    dt_rank: int = 0
    eps: float = 1e-5
    tie_embeddings: bool = True

    def __post_init__(self) -> None:
        for name in ("d_model", "n_layer", "vocab_size", "d_state", "d_conv", "expand"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} must be a positive integer, not {value!r}")
        if isinstance(self.dt_rank, bool) or not isinstance(self.dt_rank, int) or self.dt_rank < 0:
            raise InputError(f"dt_rank must be a positive integer or 0 for automatic, not {self.dt_rank!r}")
        if isinstance(self.eps, bool) or not isinstance(self.eps, int | float) or not 0 < self.eps < 1:
            raise InputError(f"eps must be a number between 0 and 1, not {self.eps!r}")
        if self.dt_rank == 0:
            object.__setattr__(self, "dt_rank", math.ceil(self.d_model / 16))

    @property
    def d_inner(self) -> int:
        """Channels of x and z."""
        return self.expand * self.d_model


def weight_shapes(config: MambaConfig) -> dict[str, tuple[int, ...]]:
    """Every weight's name and shape, without building the model; a tied ``lm_head.weight`` is left out."""
    m, d, n, r = config.d_model, config.d_inner, config.d_state, config.dt_rank
    shapes: dict[str, tuple[int, ...]] = {
        "backbone.embedding.weight": (config.vocab_size, m),
        "backbone.norm_f.weight": (m,),
    }
    if not config.tie_embeddings:
        shapes["lm_head.weight"] = (config.vocab_size, m)
    block = {
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
    for i in range(config.n_layer):
        shapes |= {f"backbone.layers.{i}.{name}": shape for name, shape in block.items()}
    return shapes


def conv_silu(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """SiLU of the causal depthwise convolution: x (b, l, d), weight (d, 1, width), bias (d) -> (b, l, d)."""
    padded = F.pad(x.transpose(1, 2), (weight.shape[-1] - 1, 0))
    return F.silu(F.conv1d(padded, weight, bias, groups=len(weight))).transpose(1, 2)


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
    for start in range(0, x.shape[1], _CHUNK):  # all but the recurrence itself is done for a chunk at a time
        chunk = slice(start, start + _CHUNK)
        decays = torch.exp(delta[chunk, :, :, None] * A)
        inflows = inflow[chunk, :, :, None] * B[chunk, :, None, :]
        states = []
        for decay, flow in zip(decays, inflows, strict=True):
            h = torch.addcmul(flow, decay, h)
            states.append(h)
        outputs.append((torch.stack(states) @ C[chunk, :, :, None]).squeeze(-1))
    return (torch.cat(outputs).transpose(0, 1) + D * x) * F.silu(z)


class Kernels(NamedTuple):
    """The two parts that training replaces by faster ones (:mod:`golden.mamba.scan`)."""

    conv_silu: Callable[[Tensor, Tensor, Tensor], Tensor]
    selective_scan: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


PLAIN = Kernels(conv_silu, selective_scan)


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight over the last axis."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        """(..., size) -> (..., size)."""
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


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

    def forward(self, hidden: Tensor, kernels: Kernels, x_transform: Callable[[Tensor], Tensor] | None) -> Tensor:
        """``x_transform`` sees, and may replace, x (b, l, d) on its way into x_proj and the scan."""
        x, z = self.in_proj(hidden).chunk(2, dim=-1)
        x = kernels.conv_silu(x, self.conv1d.weight, cast(Tensor, self.conv1d.bias))
        if x_transform is not None:
            x = x_transform(x)
        dt, B, C = self.x_proj(x).split(self.split, dim=-1)
        dt = F.linear(dt, self.dt_proj.weight)
        y = kernels.selective_scan(x, dt, -torch.exp(self.A_log), B, C, self.D, z, self.dt_proj.bias)
        projected: Tensor = self.out_proj(y)
        return projected


class Block(nn.Module):
    """norm, mixer, residual."""

    def __init__(self, config: MambaConfig) -> None:
        super().__init__()
        self.norm = RMSNorm(config.d_model, config.eps)
        self.mixer = Mixer(config)


class Backbone(nn.Module):
    """Embedding, blocks, final norm."""

    def __init__(self, config: MambaConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.norm_f = RMSNorm(config.d_model, config.eps)


class Mamba(nn.Module):
    """A Mamba-1 language model in float32: token ids (b, l) -> logits (b, l, vocab_size)."""

    def __init__(self, config: MambaConfig) -> None:
        super().__init__()
        self.config = config
        self.kernels = PLAIN
        self.backbone = Backbone(config)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        if config.tie_embeddings:
            self.lm_head.weight = self.backbone.embedding.weight

    def forward(self, ids: Tensor, x_transform: XTransform | None = None) -> Tensor:
        """Logits (b, l, vocab_size) for ids (b, l); ``x_transform`` observes or replaces every layer's SSM input."""
        logits: Tensor = self.lm_head(self.features(ids, x_transform))
        return logits

    def features(self, ids: Tensor, x_transform: XTransform | None = None) -> Tensor:
        """The normalised residual stream (b, l, m) that ``lm_head`` reads."""
        residual: Tensor = self.backbone.embedding(ids)
        for i, block in enumerate(self.blocks):
            transform = None if x_transform is None else lambda x, i=i: x_transform(i, x)
            residual = residual + block.mixer(block.norm(residual), self.kernels, transform)
        normalised: Tensor = self.backbone.norm_f(residual)
        return normalised

    @property
    def blocks(self) -> list[Block]:
        """The layers, first to last."""
        return cast(list[Block], list(self.backbone.layers))
