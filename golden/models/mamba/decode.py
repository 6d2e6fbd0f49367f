"""The unquantized Mamba-1 or Mamba-2 one token at a time: the reference for the quantized one.

Weights and the tensors between the parts are float16 (or another dtype); the residual stream, the convolution's sum,
the norm and the scan are computed in float32. Shapes: batch b, ``d_model`` m, ``d_inner`` d, ``d_state`` n.
"""

from collections.abc import Callable, Iterable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qse_hw.golden.errors import InputTypeError
from qse_hw.golden.models.mamba.decode_mamba2 import Mamba2Layer
from qse_hw.golden.models.mamba.generate import Decoder, Region
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Block, Config, Mamba, Mixer


class MambaLayer(nn.Module):
    """The weights and state of a Mamba-1's layer.

    Args:
        block: of a Mamba-1, float32.
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
        mixer = cast(Mixer, block.mixer)
        self.eps, self.split = block.norm.eps, mixer.split
        channels, width = mixer.conv1d.weight.shape[0], mixer.conv1d.weight.shape[2]
        projections = ("in_proj", "x_proj", "dt_proj", "out_proj")
        matrices = {name: getattr(mixer, name).weight.to(dtype) for name in projections}
        vectors = {
            "norm": block.norm.weight,
            "taps": mixer.conv1d.weight.squeeze(1),
            "conv_bias": cast(Tensor, mixer.conv1d.bias),
            "dt_bias": mixer.dt_proj.bias,
            "A": -torch.exp(mixer.A_log),
            "D": mixer.D,
        }
        for name, value in (matrices | vectors).items():
            self.register_buffer(name, value.detach().to(device, copy=True))
        self.register_buffer("window", torch.zeros(batch, channels, width - 1, dtype=dtype, device=device))
        self.register_buffer("state", torch.zeros(batch, *mixer.A_log.shape, dtype=state, device=device))

    def forward(self, residual: Tensor, fuse: Callable[[Region], Region]) -> Tensor:
        """The residual stream (b, m), float32, after this layer."""
        after: Tensor = fuse(_layer)(
            residual, self.window, self.state, self.norm, self.in_proj, self.taps, self.conv_bias, self.x_proj,
            self.dt_proj, self.dt_bias, self.A, self.D, self.out_proj, self.eps, self.split,
        )  # fmt: skip
        return after


class MambaDecoder(Decoder):
    """A Mamba-1 or Mamba-2 that processes one token at a time.

    Args:
        config: the sizes.
        blocks: first to last; each is converted before the next is asked for.
        embedding: (vocab_size, m).
        head: the same tensor where it is tied.
        norm: weight of the last norm (m).
        batch: sequences.
        dtype: of the weights.
        state: dtype of the SSM state.
        device: None: the embedding's.
        compiled: see :class:`Decoder`.
    """

    embedding: Tensor
    head: Tensor
    norm: Tensor

    def __init__(
        self,
        config: Config,
        blocks: Iterable[Block],
        embedding: Tensor,
        head: Tensor,
        norm: Tensor,
        *,
        batch: int = 1,
        dtype: torch.dtype = torch.float16,
        state: torch.dtype = torch.float16,
        device: torch.device | None = None,
        compiled: bool | None = None,
    ) -> None:
        place = embedding.device if device is None else device
        super().__init__(batch=batch, vocab_size=len(head), device=place, compiled=compiled)
        self.config = config
        self.register_buffer("embedding", embedding.detach().to(place, dtype))
        self.register_buffer("head", self.embedding if head is embedding else head.detach().to(place, dtype))
        self.register_buffer("norm", norm.detach().to(place))
        layer = Mamba2Layer if isinstance(config, Mamba2Config) else MambaLayer
        self.layers = nn.ModuleList(
            layer(block, batch=batch, dtype=dtype, state=state, device=place) for block in blocks
        )

    @classmethod
    def of(
        cls,
        model: Mamba,
        *,
        batch: int = 1,
        dtype: torch.dtype = torch.float16,
        state: torch.dtype = torch.float16,
        compiled: bool | None = None,
    ) -> "MambaDecoder":
        """The decoder of a model, on its device; InputTypeError for another model than a Mamba of this package."""
        if not isinstance(model, Mamba):
            raise InputTypeError(f"Model must be a Mamba of this package, not {type(model).__name__}")
        backbone = model.backbone
        return cls(
            model.config, model.blocks, backbone.embedding.weight, model.lm_head.weight, backbone.norm_f.weight,
            batch=batch, dtype=dtype, state=state, compiled=compiled,
        )  # fmt: skip

    def states(self) -> list[Tensor]:
        """Per layer the window (b, channels, width - 1) and the SSM state (b, d, n)."""
        layers = cast(Iterable[MambaLayer | Mamba2Layer], self.layers)
        return [state for layer in layers for state in (layer.window, layer.state)]

    def step(self, ids: Tensor) -> Tensor:
        """Logits (b, vocab_size) after one more token (b,)."""
        residual = F.embedding(ids, self.embedding).float()
        for layer in self.layers:
            residual = layer(residual, self.fuse)
        logits: Tensor = self.fuse(_head)(residual, self.norm, self.head, self.config.eps)
        return logits


def _layer(
    residual: Tensor, window: Tensor, state: Tensor, norm: Tensor, in_proj: Tensor, taps: Tensor, conv_bias: Tensor,
    x_proj: Tensor, dt_proj: Tensor, dt_bias: Tensor, A: Tensor, D: Tensor, out_proj: Tensor,
    eps: float, split: tuple[int, int, int],
) -> Tensor:  # fmt: skip
    """The residual stream (b, m), float32, after a layer; window and state are updated in place."""
    dtype = in_proj.dtype
    hidden = F.rms_norm(residual, (residual.shape[-1],), norm, eps).to(dtype)
    x, z = F.linear(hidden, in_proj).chunk(2, dim=-1)
    seen = torch.cat((window, x[:, :, None]), dim=-1)
    x = F.silu((seen.float() * taps).sum(-1) + conv_bias)
    window.copy_(seen[:, :, 1:])
    low, B, C = F.linear(x.to(dtype), x_proj).split_with_sizes(split, dim=-1)
    delta = F.softplus(F.linear(low, dt_proj).float() + dt_bias)
    flow = (delta * x)[:, :, None] * B.float()[:, None, :]
    now = torch.addcmul(flow, torch.exp(delta[:, :, None] * A), state.float())
    state.copy_(now)
    y = (now @ C.float()[:, :, None]).squeeze(-1)
    y = (y + D * x) * F.silu(z.float())
    return residual + F.linear(y.to(dtype), out_proj)


def _head(residual: Tensor, norm: Tensor, head: Tensor, eps: float) -> Tensor:
    hidden = F.rms_norm(residual, (residual.shape[-1],), norm, eps).to(head.dtype)
    return F.linear(hidden, head).float()
