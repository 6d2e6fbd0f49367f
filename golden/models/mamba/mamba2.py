"""The Mamba-2 block in plain PyTorch, named and shaped like ``state-spaces/mamba2-130m``.

Source: Dao and Gu, "Transformers are SSMs: Generalized Models and Efficient Algorithms Through Structured State Space
Duality" (2024, arXiv 2405.21060), sections 6 and 7. Shapes: batch b, length l, ``d_model`` m, ``d_inner`` d = h p with
h heads of p channels, ``ngroups`` g, ``d_state`` n, chunks c of q time steps.
"""

from dataclasses import dataclass, field
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.common import Kernels, LayerTransform, RMSNorm, Sizes


@dataclass(frozen=True, kw_only=True)
class Mamba2Config(Sizes):
    """The sizes of a Mamba-2. ``chunk`` changes speed and rounding only, so checkpoints do not hold it."""

    architecture: ClassVar[str] = "mamba2"
    names: ClassVar[tuple[str, ...]] = ("x", "B", "C")

    d_state: int = 128
    headdim: int = 64
    ngroups: int = 1
    chunk: int = field(default=64, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._positive("headdim", "ngroups", "chunk")
        if self.d_inner % self.headdim:
            raise InputError(f"headdim must divide expand * d_model, which is {self.d_inner}, not {self.headdim}")
        if self.n_heads % self.ngroups:
            raise InputError(f"ngroups must divide the {self.n_heads} heads, not {self.ngroups}")

    @property
    def norm_groups(self) -> int:
        return self.ngroups

    @property
    def n_heads(self) -> int:
        """Heads, each with one decay and one time step."""
        return self.d_inner // self.headdim

    @property
    def d_xbc(self) -> int:
        """Channels of x, B and C together, which the convolution runs over."""
        return self.d_inner + 2 * self.ngroups * self.d_state


def block_shapes(config: Mamba2Config) -> dict[str, tuple[int, ...]]:
    """The name and shape of every weight of a block."""
    m, d, h = config.d_model, config.d_inner, config.n_heads
    return {
        "norm.weight": (m,),
        "mixer.in_proj.weight": (d + config.d_xbc + h, m),  # z over x over B over C over dt
        "mixer.conv1d.weight": (config.d_xbc, 1, config.d_conv),
        "mixer.conv1d.bias": (config.d_xbc,),
        "mixer.dt_bias": (h,),
        "mixer.A_log": (h,),
        "mixer.D": (h,),
        "mixer.norm.weight": (d,),
        "mixer.out_proj.weight": (m, d),
    }


def ssd(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, chunk: int) -> Tensor:
    """The selective scan with a scalar decay per head, as matrix products: (b, l, h, p).

    h_t = exp(dt_t A) h_(t-1) + dt_t B_t x_t, y_t = C_t h_t, from h = 0, with x (b, l, h, p), dt (b, l, h) positive,
    A (h) negative, B and C (b, l, g, n); head i reads group i g / h. Within a chunk y is a masked (q, q) matrix times
    x; from chunk to chunk only the state (n, p) is passed on. State and logarithms of decays have the precision of dt,
    also under autocast.
    """
    batch, length, heads, width = x.shape
    groups = B.shape[2]
    q = min(chunk, length)
    if length % q:  # steps with dt = 0 change nothing, and their own outputs are cut off below
        pad = q - length % q
        x, B, C = (F.pad(t, (0, 0, 0, 0, 0, pad)) for t in (x, B, C))
        dt = F.pad(dt, (0, 0, 0, pad))
    x = x.view(batch, -1, q, groups, heads // groups, width).transpose(2, 3)  # (b, c, g, q, h/g, p)
    B, C = (t.view(batch, -1, q, groups, t.shape[-1]).transpose(2, 3) for t in (B, C))  # (b, c, g, q, n)
    dt = dt.view(batch, -1, q, groups, heads // groups).transpose(2, 3)  # (b, c, g, q, h/g)
    inflow = x.to(dt.dtype) * dt[..., None]
    # Log of the decay since the chunk began, float64: differences of nearly equal large sums are taken below.
    total = torch.cumsum((dt * A.view(groups, 1, -1)).double(), dim=3)

    # Within the chunk. The mask is applied before exp, which could overflow above the diagonal. Factors are
    # converted to one type before they are multiplied, since PyTorch is slow at mixed ones.
    future = torch.ones(q, q, dtype=torch.bool, device=x.device).triu(1)
    by_head = total.transpose(3, 4)
    since = (by_head[..., :, None] - by_head[..., None, :]).to(dt.dtype)
    decay = since.masked_fill(future, -torch.inf).exp()
    scores = (C @ B.transpose(-1, -2)).unsqueeze(3)  # (b, c, g, 1, q, q), shared by the group's heads
    near = (scores * decay.to(scores.dtype)) @ inflow.transpose(3, 4)  # (b, c, g, h/g, q, p)

    # From chunk to chunk: what each adds to the state, the state at its start, and the outputs from that state.
    rest = (total[..., -1:, :] - total).to(dt.dtype).exp()[..., None]  # decay from a step to the chunk's end
    added = B.transpose(-1, -2) @ (inflow * rest).flatten(-2)  # (b, c, g, n, h/g p)
    added = added.to(dt.dtype).view(*added.shape[:-1], -1, width)
    total = total.to(dt.dtype)
    decays = total[..., -1, None, :, None].exp()
    state = torch.zeros_like(added[:, 0])
    states = []
    for i in range(added.shape[1]):
        states.append(state)
        state = torch.addcmul(added[:, i], decays[:, i], state)
    far = (C @ torch.stack(states, dim=1).flatten(-2)).view(inflow.shape)
    y = near.transpose(3, 4).to(dt.dtype) + far.to(dt.dtype) * total.exp()[..., None]  # (b, c, g, q, h/g, p)
    return y.transpose(2, 3).reshape(batch, -1, heads, width)[:, :length]


class Mamba2Mixer(nn.Module):
    """One Mamba-2 block between norm and residual: (b, l, m) -> (b, l, m)."""

    def __init__(self, config: Mamba2Config) -> None:
        super().__init__()
        d, h = config.d_inner, config.n_heads
        self.in_proj = nn.Linear(config.d_model, d + config.d_xbc + h, bias=False)
        self.conv1d = nn.Conv1d(config.d_xbc, config.d_xbc, config.d_conv, groups=config.d_xbc)
        self.dt_bias = nn.Parameter(torch.zeros(h))
        self.A_log = nn.Parameter(torch.log(torch.linspace(1.0, 16.0, h)))
        self.D = nn.Parameter(torch.ones(h))
        self.norm = RMSNorm(d, config.eps, config.ngroups)
        self.out_proj = nn.Linear(d, config.d_model, bias=False)
        self.config = config
        self.quantizer: nn.Module | None = None  # of x; see qse_hw.golden.models.mamba.quantize

    def forward(self, hidden: Tensor, kernels: Kernels, transform: LayerTransform | None) -> Tensor:
        """``transform`` sees, and may replace, x (b, l, d), B and C (b, l, g n) on their way into the SSM."""
        config = self.config
        state = config.ngroups * config.d_state
        z, xbc, dt = torch.split(self.in_proj(hidden), [config.d_inner, config.d_xbc, config.n_heads], dim=-1)
        xbc = kernels.conv_silu(xbc, self.conv1d.weight, cast(Tensor, self.conv1d.bias))
        x, B, C = torch.split(xbc, [config.d_inner, state, state], dim=-1)
        if transform is not None:
            x, B, C = transform("x", x), transform("B", B), transform("C", C)
        if self.quantizer is not None:
            x = self.quantizer(x)
        x = x.reshape(*x.shape[:2], config.n_heads, config.headdim)
        B, C = (t.reshape(*t.shape[:2], config.ngroups, config.d_state) for t in (B, C))
        dt = F.softplus(dt.to(self.dt_bias.dtype) + self.dt_bias)  # wide again under autocast
        y = ssd(x, dt, -torch.exp(self.A_log), B, C, config.chunk) + self.D[:, None] * x
        projected: Tensor = self.out_proj(self.norm(y.flatten(-2) * F.silu(z.to(y.dtype))))
        return projected
