"""A Mamba-1's layer, transformed or not, in floating point; a hook at every tensor that the integer model has a type
for.

Shapes: batch b, length l, ``d_model`` m, ``d_inner`` d, ``d_state`` n, ``dt_rank`` r.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from qse_hw.golden.models.integer.observe import See
from qse_hw.golden.models.integer.transformations import RotatedLinear
from qse_hw.golden.models.mamba.model import Block
from qse_hw.golden.reference.hadamard import transform_tensor

_CHUNK_VALUES = 1 << 19  # decays held at once


def mix(block: Block, residual: Tensor, see: See) -> Tensor:
    """What a layer adds to the residual stream (b, l, m)."""
    mixer: Any = block.mixer
    hidden = see("norm", block.norm(residual))
    conv_input, gate = mixer.in_proj(hidden).chunk(2, dim=-1)
    padded = F.pad(see("conv_input", conv_input).transpose(1, 2), (mixer.conv1d.weight.shape[-1] - 1, 0))
    total = F.conv1d(padded, mixer.conv1d.weight, mixer.conv1d.bias, groups=padded.shape[1]).transpose(1, 2)
    x = see("x", F.silu(see("conv_sum", total)))
    low, B, C = mixer.x_proj(x).split(mixer.split, dim=-1)
    dt = see("dt", F.linear(see("dt_low", low), mixer.dt_proj.weight))
    delta = see("delta", F.softplus(see("dt_sum", dt + mixer.dt_proj.bias)))
    y = _scan(see("inflow", delta * x), delta, -mixer.A_log.exp(), see("B", B), see("C", C), see) + mixer.D * x
    gated = see("gated", see("scan", y) * see("silu_gate", F.silu(see("gate", gate))))
    y = transform_tensor(gated) if isinstance(mixer.out_proj, RotatedLinear) else gated
    return F.linear(see("y", y), mixer.out_proj.weight)


def _scan(inflow: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, see: See) -> Tensor:
    """C h (b, l, d)."""
    inflow, delta, B, C = (value.transpose(0, 1) for value in (inflow, delta, B, C))  # time first
    h = inflow.new_zeros(*inflow.shape[1:], A.shape[1])
    steps, outputs = max(1, _CHUNK_VALUES // h.numel()), []
    for start in range(0, len(inflow), steps):
        chunk = slice(start, start + steps)
        decays = torch.exp(delta[chunk, :, :, None] * A)
        flows = inflow[chunk, :, :, None] * B[chunk, :, None, :]
        states = []
        for flow, decay in zip(flows, decays, strict=True):
            h = see("state", torch.addcmul(flow, decay, h))
            states.append(h)
        outputs.append((torch.stack(states) @ C[chunk, :, :, None]).squeeze(-1))
    return torch.cat(outputs).transpose(0, 1)
