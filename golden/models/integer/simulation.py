"""A Mamba-1, transformed or not, in floating point, with a hook at every tensor that the integer model has a type for.

Shapes: batch b, length l, ``d_model`` m, ``d_inner`` d, ``d_state`` n, ``dt_rank`` r.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from qse_hw.golden.models.integer.transformations import RotatedLinear
from qse_hw.golden.models.mamba.model import Block, Mamba
from qse_hw.golden.reference.hadamard import transform_tensor

See = Callable[[str, Tensor], Tensor]
"""``(name, tensor) -> tensor``: sees a tensor, and may replace it; names are those of
:class:`qse_hw.golden.models.integer.formats.LayerFormats`.

Shapes are (b, l, channels); "inflow" is delta x, and "state" (b, d, n) is seen at every time step.
"""

_CHUNK_VALUES = 1 << 19  # decays held at once


def run_layer(block: Block, residual: Tensor, see: See) -> Tensor:
    """The residual stream (b, l, m) after a layer."""
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
    return residual + F.linear(see("y", y), mixer.out_proj.weight)


def run(model: Mamba, ids: Tensor, see: Callable[[int, str, Tensor], Tensor]) -> Tensor:
    """Logits (b, l, vocab_size) of a model; ``see`` also gets the layer: n_layer for norm_f."""
    residual = model.backbone.embedding(ids)
    for number, block in enumerate(model.blocks):
        residual = run_layer(block, residual, lambda name, value, number=number: see(number, name, value))  # type: ignore[misc]
    hidden = see(len(model.blocks), "norm_f", model.backbone.norm_f(residual))
    return F.linear(hidden, model.lm_head.weight)


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
