"""The layer of an unquantized Mamba-2 one token at a time, for :mod:`qse_hw.golden.models.mamba.decode`.

Shapes: batch b, ``d_model`` m, ``d_inner`` d = h p with h heads of p channels, ``ngroups`` g, ``d_state`` n.
"""

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qse_hw.golden.models.mamba.generate import Region
from qse_hw.golden.models.mamba.mamba2 import Mamba2Mixer
from qse_hw.golden.models.mamba.model import Block


class Mamba2Layer(nn.Module):
    """The weights and state of a Mamba-2's layer.

    Args:
        block: of a Mamba-2, float32.
        batch: sequences.
        dtype: of matrices and of the convolution's window.
        state: dtype of the SSM state.
        device: of everything.
    """

    window: Tensor
    state: Tensor

    def __init__(
        self, block: Block, *, batch: int, dtype: torch.dtype, state: torch.dtype, device: torch.device
    ) -> None:
        super().__init__()
        mixer = cast(Mamba2Mixer, block.mixer)
        config = mixer.config
        self.eps, self.groups = config.eps, config.ngroups
        self.split = (config.d_inner, config.d_xbc, config.n_heads)
        matrices = {name: getattr(mixer, name).weight.to(dtype) for name in ("in_proj", "out_proj")}
        vectors = {
            "norm": block.norm.weight,
            "gated_norm": mixer.norm.weight,
            "taps": mixer.conv1d.weight.squeeze(1),
            "conv_bias": cast(Tensor, mixer.conv1d.bias),
            "dt_bias": mixer.dt_bias,
            "A": -torch.exp(mixer.A_log),
            "D": mixer.D,
        }
        for name, value in (matrices | vectors).items():
            self.register_buffer(name, value.detach().to(device, copy=True))
        window, states = (batch, config.d_xbc, config.d_conv - 1), (batch, config.d_inner, config.d_state)
        self.register_buffer("window", torch.zeros(window, dtype=dtype, device=device))
        self.register_buffer("state", torch.zeros(states, dtype=state, device=device))

    def forward(self, residual: Tensor, fuse: Callable[[Region], Region]) -> Tensor:
        """The residual stream (b, m), float32, after this layer."""
        after: Tensor = fuse(_layer)(
            residual, self.window, self.state, self.norm, self.in_proj, self.taps, self.conv_bias, self.dt_bias,
            self.A, self.D, self.gated_norm, self.out_proj, self.eps, self.groups, self.split,
        )  # fmt: skip
        return after


def _layer(
    residual: Tensor, window: Tensor, state: Tensor, norm: Tensor, in_proj: Tensor, taps: Tensor, conv_bias: Tensor,
    dt_bias: Tensor, A: Tensor, D: Tensor, gated_norm: Tensor, out_proj: Tensor,
    eps: float, groups: int, split: tuple[int, int, int],
) -> Tensor:  # fmt: skip
    """The residual stream (b, m), float32, after a layer; window and state are updated in place."""
    dtype, (channels, _, heads), batch = in_proj.dtype, split, len(residual)
    hidden = F.rms_norm(residual, (residual.shape[-1],), norm, eps).to(dtype)
    z, xbc, dt = F.linear(hidden, in_proj).split_with_sizes(split, dim=-1)
    seen = torch.cat((window, xbc[:, :, None]), dim=-1)
    xbc = F.silu((seen.float() * taps).sum(-1) + conv_bias)
    window.copy_(seen[:, :, 1:])
    states = (xbc.shape[1] - channels) // 2
    x, B, C = xbc.split_with_sizes((channels, states, states), dim=-1)
    delta = F.softplus(dt.float() + dt_bias)
    decay = torch.exp(delta * A).view(batch, groups, -1, 1, 1)
    x = x.view(batch, groups, heads // groups, -1)
    flow = (delta.view(batch, groups, -1, 1) * x)[..., None] * B.view(batch, groups, 1, 1, -1)
    now = torch.addcmul(flow, decay, state.float().view(flow.shape))
    state.copy_(now.view(state.shape))
    y = (now.flatten(2, 3) @ C.reshape(batch, groups, -1, 1)).view(x.shape) + D.view(groups, -1, 1) * x
    gated = (y.flatten(1) * F.silu(z.float())).view(batch, groups, -1)
    normalized = F.rms_norm(gated, (gated.shape[-1],), eps=eps).flatten(1) * gated_norm
    return residual + F.linear(normalized.to(dtype), out_proj)
