"""Transformations of a checkpoint that keep its function and make it easier to quantize: folded norms, rotations.

RMSNorm without its weight commutes with a rotation R of the residual stream (Ashkboos et al., "SliceGPT", 2024), so R
is folded into all weights that write or read the stream, and costs no hardware. R is an orthonormal Hadamard matrix
(:mod:`qse_hw.golden.reference.hadamard`), which spreads an outlier channel over all channels.

Weights are rotated in integers, so that every machine computes the same bits.
"""

import copy
import math
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qse_hw.golden.checks import boolean
from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.mamba2 import Mamba2Mixer
from qse_hw.golden.models.mamba.model import Block, Config, Mamba
from qse_hw.golden.reference.hadamard import factorize, transform, transform_tensor

ORDERS = "a Hadamard matrix must be of order 2^k, 12 2^k, 20 2^k or 40 2^k"


class RotatedLinear(nn.Linear):
    """A product whose input is rotated first, and whose weight (outputs, inputs) holds the inverse rotation."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        return F.linear(transform_tensor(x), self.weight, self.bias)


@dataclass(frozen=True, kw_only=True)
class Transformations:
    """Which transformations are made; none changes the logits, except by rounding.

    Args:
        fold_norms: weights of norms go into the product that follows: in_proj, the head, a Mamba-2's out_proj.
        rotate_residual: the residual stream is rotated; requires ``fold_norms``.
        rotate_y: out_proj's input is rotated, which needs a transform at run time.

    Raises:
        InputError: for a rotation of the residual stream without folded norms.
    """

    fold_norms: bool = True
    rotate_residual: bool = True
    rotate_y: bool = True

    def __post_init__(self) -> None:
        for field in fields(self):
            boolean(getattr(self, field.name), field.name)
        if self.rotate_residual and not self.fold_norms:
            raise InputError(
                "rotate_residual must be False where fold_norms is: a norm's weight does not commute with a rotation"
            )

    def unsuitable(self, config: Config) -> dict[str, int]:
        """The rotations that are to be made but have no Hadamard matrix, and their widths."""
        widths = {"rotate_residual": config.d_model, "rotate_y": config.d_inner}
        return {name: width for name, width in widths.items() if getattr(self, name) and not _has_matrix(width)}

    def check(self, config: Config) -> None:
        """Raise InputError, with the remedies, unless there is a Hadamard matrix for every rotation."""
        for name, width in self.unsuitable(config).items():
            raise InputError(f"{name} must be False for a width of {width}: {ORDERS}; or pad the channels with zeros")

    def added_bytes(self, config: Config) -> int:
        """Bytes of an 8-bit head that can no longer share the embedding's weights: one per weight; otherwise 0."""
        return config.vocab_size * config.d_model if config.tie_embeddings and self.fold_norms else 0

    def embedding(self, weight: Tensor) -> Tensor:
        """The transformed embedding (vocab_size, d_model)."""
        return rotated(weight, 1) if self.rotate_residual else weight.detach()

    def head(self, weight: Tensor, norm: Tensor) -> Tensor:
        """The transformed head (vocab_size, d_model); ``norm``: the last norm's weight (d_model)."""
        return self._reading(weight, norm)

    def block(self, block: Block) -> Block:
        """A transformed copy of a layer."""
        changed = copy.deepcopy(block).requires_grad_(False)
        mixer = changed.mixer
        _set(mixer.in_proj, self._reading(mixer.in_proj.weight, changed.norm.weight))
        out = mixer.out_proj.weight.detach()
        if self.fold_norms:
            changed.norm.weight.fill_(1)
            if isinstance(mixer, Mamba2Mixer):
                out = _columns(out, mixer.norm.weight)
                mixer.norm.weight.fill_(1)
        if self.rotate_residual:
            out = rotated(out, 0)
        if self.rotate_y:
            out = rotated(out, 1)
            mixer.out_proj = RotatedLinear(out.shape[1], out.shape[0], bias=False, device="meta")
        _set(mixer.out_proj, out)
        return changed

    def model(self, model: Mamba) -> Mamba:
        """A transformed copy of a model.

        Raises:
            InputError: as :meth:`check`.
        """
        self.check(model.config)
        changed = copy.copy(model)
        changed._modules = dict(model._modules)
        changed.config = replace(model.config, tie_embeddings=model.config.tie_embeddings and not self.fold_norms)
        backbone, old = copy.deepcopy(model.backbone), model.backbone
        backbone.embedding.weight = _parameter(self.embedding(old.embedding.weight))
        backbone.layers = nn.ModuleList(self.block(block) for block in model.blocks)
        head = nn.Linear(1, 1, bias=False, device="meta")
        _set(head, self.head(model.lm_head.weight, old.norm_f.weight))
        if self.fold_norms:
            backbone.norm_f.weight = _parameter(torch.ones_like(old.norm_f.weight))
        changed.backbone, changed.lm_head = backbone, head
        return changed.eval()

    def _reading(self, weight: Tensor, norm: Tensor) -> Tensor:
        """The transformed weight (outputs, d_model) of a product that reads the residual stream through a norm."""
        folded = _columns(weight, norm) if self.fold_norms else weight.detach()
        return rotated(folded, 1) if self.rotate_residual else folded


NONE = Transformations(fold_norms=False, rotate_residual=False, rotate_y=False)


def rotated(weight: Tensor, axis: int) -> Tensor:
    """H / sqrt(n) applied along an axis of n, in the dtype of the weight.

    The weight is rounded to a multiple of a power of two, 2^-51 of its peak or less for n up to 2,048, so that the sums
    are integers.

    Raises:
        InputError: for an n without a Hadamard matrix here.
    """
    values = np.moveaxis(weight.detach().double().cpu().numpy(), axis, -1)
    n, peak = values.shape[-1], float(np.abs(values).max())
    if peak == 0:
        return weight.detach().clone()
    exponent = 62 - (n - 1).bit_length() - math.frexp(peak)[1]
    sums = transform(np.rint(np.ldexp(values, exponent)).astype(np.int64))
    transformed = np.ldexp(sums.astype(np.float64), -exponent) / math.sqrt(n)
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(transformed, -1, axis))).to(weight)


def _has_matrix(width: int) -> bool:
    try:
        factorize(width)
    except InputError:
        return False
    return True


def _columns(weight: Tensor, norm: Tensor) -> Tensor:
    return (weight.detach().double() * norm.detach().double()).to(weight.dtype)


def _parameter(weight: Tensor) -> nn.Parameter:
    return nn.Parameter(weight, requires_grad=False)


def _set(linear: nn.Linear, weight: Tensor) -> None:
    linear.weight = _parameter(weight)
    linear.out_features, linear.in_features = weight.shape
