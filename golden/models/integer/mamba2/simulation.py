"""A Mamba-2's layer, transformed or not, in floating point; a hook at every tensor that the integer model has a type
for.

Shapes: batch b, length l, ``d_model`` m, ``d_inner`` d in h heads of p channels, SSD groups g, ``d_state`` n.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from qse_hw.golden.models.integer.observe import See
from qse_hw.golden.models.integer.transformations import RotatedLinear
from qse_hw.golden.models.mamba.model import Block
from qse_hw.golden.reference.hadamard import transform_tensor


def mix(block: Block, residual: Tensor, see: See) -> Tensor:
    """What a layer adds to the residual stream (b, l, m)."""
    mixer: Any = block.mixer
    config, states = mixer.config, mixer.config.ngroups * mixer.config.d_state
    projected = mixer.in_proj(see("norm", block.norm(residual)))
    z, xbc, dt = projected.split_with_sizes([config.d_inner, config.d_xbc, config.n_heads], dim=-1)
    padded = F.pad(see("conv_input", xbc).transpose(1, 2), (config.d_conv - 1, 0))
    total = F.conv1d(padded, mixer.conv1d.weight, mixer.conv1d.bias, groups=padded.shape[1]).transpose(1, 2)
    x, B, C = F.silu(see("conv_sum", total)).split_with_sizes([config.d_inner, states, states], dim=-1)
    x, B, C = see("x", x), see("B", B), see("C", C)
    delta = see("delta", F.softplus(see("dt_sum", see("dt", dt) + mixer.dt_bias)))
    inflow = see("inflow", delta.repeat_interleave(config.headdim, dim=-1) * x)
    B, C = (part.view(*part.shape[:2], config.ngroups, 1, config.d_state) for part in (B, C))
    y = _scan(inflow, (delta * -mixer.A_log.exp()).exp(), B, C, see) + mixer.D.repeat_interleave(config.headdim) * x
    gated = see("gated", see("scan", y) * see("silu_gate", F.silu(see("gate", z))))
    normalized = see("normalized", mixer.norm(gated))
    y = transform_tensor(normalized) if isinstance(mixer.out_proj, RotatedLinear) else normalized
    return F.linear(see("y", y), mixer.out_proj.weight)


def _scan(inflow: Tensor, decays: Tensor, B: Tensor, C: Tensor, see: See) -> Tensor:
    """C h (b, l, d), of inflows (b, l, d), decays (b, l, h), B and C (b, l, g, 1, n)."""
    inflow, decays, B, C = (value.transpose(0, 1) for value in (inflow, decays, B, C))  # time first
    length, batch, channels = inflow.shape
    groups, states = B.shape[2], B.shape[-1]
    h = inflow.new_zeros(batch, channels, states)
    by_channel = decays.repeat_interleave(channels // decays.shape[-1], dim=-1)[..., None]
    outputs = []
    for time in range(length):
        flow = (inflow[time].view(batch, groups, -1, 1) * B[time]).view(h.shape)
        h = see("state", torch.addcmul(flow, by_channel[time], h))
        outputs.append((h.view(batch, groups, -1, states) @ C[time].transpose(-1, -2)).view(batch, channels))
    return torch.stack(outputs, dim=1)
