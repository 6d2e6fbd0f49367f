"""The parts that Mamba-1 and Mamba-2 share: sizes, the norm, the convolution, the types of the hook and the kernels.

Shapes: batch b, length l, ``d_model`` m, channels d.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qse_hw.golden.errors import InputError

Transform = Callable[[int, str, Tensor], Tensor]
"""``(layer, name, tensor) -> tensor``: is called with each input of a layer's SSM and returns what replaces it.

"x" is (b, l, d_inner); Mamba-2 also has "B" and "C", each (b, l, ngroups * d_state). All are after convolution
and SiLU.
"""

LayerTransform = Callable[[str, Tensor], Tensor]
"""A :data:`Transform` whose layer is fixed."""


class Kernels(NamedTuple):
    """The two functions that training replaces by faster ones (:mod:`qse_hw.golden.models.mamba.scan`); Mamba-2 uses
    only the first.
    """

    conv_silu: Callable[[Tensor, Tensor, Tensor], Tensor]
    selective_scan: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes that both architectures have."""

    architecture: ClassVar[str]
    names: ClassVar[tuple[str, ...]] = ("x",)
    """The names that the hook is called with, in order."""

    d_model: int
    n_layer: int
    vocab_size: int
    d_state: int
    d_conv: int = 4
    expand: int = 2
    eps: float = 1e-5
    tie_embeddings: bool = True

    def __post_init__(self) -> None:
        self._positive("d_model", "n_layer", "vocab_size", "d_state", "d_conv", "expand")
        if isinstance(self.eps, bool) or not isinstance(self.eps, int | float) or not 0 < self.eps < 1:
            raise InputError(f"eps must be a number between 0 and 1, not {self.eps!r}")

    def _positive(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} must be a positive integer, not {value!r}")

    @property
    def d_inner(self) -> int:
        """Channels of x and z."""
        return self.expand * self.d_model

    @property
    def norm_groups(self) -> int:
        """Groups of the gated norm (Mamba-2), each normalized by itself; 1: over the whole width, or no such norm."""
        return 1


def conv_silu(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """SiLU of the causal depthwise convolution: x (b, l, d), weight (d, 1, width), bias (d) -> (b, l, d)."""
    padded = F.pad(x.transpose(1, 2), (weight.shape[-1] - 1, 0))
    return F.silu(F.conv1d(padded, weight, bias, groups=len(weight))).transpose(1, 2)


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight, the mean being over each of ``groups`` equal parts of the last axis."""

    def __init__(self, size: int, eps: float, groups: int = 1) -> None:
        super().__init__()
        self.eps, self.groups = eps, groups
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        """(..., size) -> (..., size)."""
        if self.groups == 1:
            return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)
        parts = x.reshape(*x.shape[:-1], self.groups, -1)
        return F.rms_norm(parts, (parts.shape[-1],), eps=self.eps).flatten(-2) * self.weight
