"""Rounds the weights of a checkpoint so that the errors of a product's inputs cancel: with error feedback.

Each column of a matrix is rounded in turn, and its error is compensated by the columns that are not rounded yet, as far
as their inputs are correlated on a text. Source: Frantar et al., "GPTQ: Accurate Post-Training Quantization for
Generative Pre-trained Transformers" (2022, arXiv 2210.17323), with the columns in the order of their inputs' power.

The result is a checkpoint like any other. The integer model's own rounding of it, to nearest after the same
transformations, gives these codes; so calibration, formats and integer model need not know about it.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from qse_hw.golden.checks import instance
from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.calibrate import SEQUENCE, SEQUENCES
from qse_hw.golden.models.integer.formats import Granularity
from qse_hw.golden.models.integer.products import MAX_WEIGHT, NARROW, quantize_rows
from qse_hw.golden.models.integer.simulation import run_layer
from qse_hw.golden.models.integer.transformations import Transformations
from qse_hw.golden.models.mamba.mamba2 import Mamba2Mixer
from qse_hw.golden.models.mamba.model import Block, Mamba
from qse_hw.golden.models.mamba.text import check_ids, sequences
from qse_hw.golden.reference.hadamard import transform_tensor

DAMPING = 1e-4
"""Of the inputs' mean power, added to every input's."""
_INPUTS = {"in_proj": "norm", "x_proj": "x", "dt_proj": "dt_low", "out_proj": "y"}

Codes = npt.NDArray[np.int64]


def round_with_feedback(weight: Tensor, moments: Tensor, granularity: Granularity, where: str) -> Codes:
    """int8 codes (outputs, inputs) of a matrix, at the steps of :func:`quantize_rows`.

    Args:
        weight: (outputs, inputs).
        moments: mean products of every two inputs (inputs, inputs), float64.
        granularity: of the steps.
        where: what messages call it.

    Raises:
        InputError: for weights that are not finite, or inputs whose products are not.
    """
    if not moments.isfinite().all() or not moments.diagonal().sum().isfinite():
        raise InputError(f"{where}: mean products of the inputs must be finite, and are not; check the checkpoint")
    codes, fractions = quantize_rows(weight, granularity, where)
    steps = torch.tensor([float(step) for step in fractions], dtype=torch.float64)[:, None]
    rest = weight.detach().double() / steps
    peaks = torch.from_numpy(np.abs(codes) == MAX_WEIGHT)  # keep their codes, so that the steps stay
    power = moments.diagonal()
    if not power.any():  # inputs that are always zero correlate with nothing
        return codes
    order = torch.argsort(power, descending=True, stable=True)
    damped = moments + DAMPING * power.mean() * torch.eye(len(power), dtype=torch.float64)
    feedback = torch.linalg.cholesky(torch.linalg.inv(damped[order][:, order]), upper=True)
    rest, rounded = rest[:, order], torch.from_numpy(codes)[:, order].double()
    peaks = peaks[:, order]
    for column in range(len(power)):
        nearest = rest[:, column].round().clamp(-MAX_WEIGHT, MAX_WEIGHT)
        rounded[:, column] = torch.where(peaks[:, column], rounded[:, column], nearest)
        error = (rest[:, column] - rounded[:, column]) / feedback[column, column]
        rest[:, column + 1 :] -= error[:, None] * feedback[column, column + 1 :]
    result: Codes = rounded[:, torch.argsort(order)].numpy().astype(np.int64)
    return result


@torch.no_grad()
def round_weights(
    model: Mamba,
    ids: Tensor,
    *,
    tokens: int,
    granularity: Granularity = "row",
    transformations: Transformations | None = None,
    progress: Callable[[int], None] | None = None,
) -> Mamba:
    """A copy of a model whose matrices in the layers and head, of more than 8 inputs, are rounded with error feedback.

    Its norms have no weights, and its head is not tied to the embedding. Its int8 codes are meant for the same
    transformations and granularity; a file of it must hold float32, since float16 would round the codes away.

    Args:
        model: as it was trained.
        ids: (count,), a text cut into sequences of 512 tokens that each start from the empty state.
        tokens: number of ids to use, at least one sequence; rounded down to whole sequences.
        granularity: of the weights' steps.
        transformations: that the integer model applies; None: all of them.
        progress: called with each layer's number when it is done.

    Raises:
        InputError: as calibration does.
    """
    instance(model, Mamba, "Model", "a Mamba of this package, as load_model gives it")
    check_ids(ids, model.config.vocab_size)
    wanted, text = transformations or Transformations(), sequences(ids, tokens, SEQUENCE)
    if not wanted.fold_norms:
        raise InputError("Transformations must fold the norms, as those of the integer model do")
    changed, result = wanted.model(model), copy.deepcopy(model)
    result.config = replace(model.config, tie_embeddings=False)
    residual = changed.backbone.embedding(text)
    for number, (block, own) in enumerate(zip(changed.blocks, result.blocks, strict=True)):
        moments = _Moments()
        for part in residual.split(SEQUENCES):
            run_layer(block, part, moments)
        for name, seen in _INPUTS.items():
            linear = getattr(block.mixer, name, None)
            if linear is not None and linear.weight.shape[1] > NARROW:
                linear.weight = _rounded(linear.weight, moments.mean(seen), granularity, f"Layer {number}, {name}")
        _take_back(block, own, wanted)
        residual = torch.cat([run_layer(block, part, lambda _, value: value) for part in residual.split(SEQUENCES)])
        if progress is not None:
            progress(number)
    moments = _Moments()
    moments("norm_f", changed.backbone.norm_f(residual))
    head = _rounded(changed.lm_head.weight, moments.mean("norm_f"), granularity, "Head")
    result.lm_head = nn.Linear(head.shape[1], head.shape[0], bias=False)
    result.lm_head.weight = _parameter(_unrotated(head, 1) if wanted.rotate_residual else head)
    result.backbone.norm_f.weight.fill_(1)
    return result.eval()


class _Moments:
    """Sums the products of every two inputs of the matrices; a hook of the simulation."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def __call__(self, name: str, value: Tensor) -> Tensor:
        if name in (*_INPUTS.values(), "norm_f"):
            rows = value.flatten(0, 1).double()
            self._sums[name] = self._sums.get(name, 0) + rows.T @ rows
            self._counts[name] = self._counts.get(name, 0) + len(rows)
        return value

    def mean(self, name: str) -> Tensor:
        return self._sums[name] / self._counts[name]


def _rounded(weight: Tensor, moments: Tensor, granularity: Granularity, where: str) -> nn.Parameter:
    """The values of the codes, in the dtype of the weight."""
    codes = round_with_feedback(weight, moments, granularity, where)
    steps = torch.tensor([float(step) for step in quantize_rows(weight, granularity, where)[1]], dtype=torch.float64)
    return _parameter((torch.from_numpy(codes) * steps[:, None]).to(weight.dtype))


def _take_back(block: Block, own: Block, transformations: Transformations) -> None:
    """Gives the checkpoint's layer the matrices of a transformed layer, not transformed."""
    mixer, target = block.mixer, own.mixer
    for name in _INPUTS:
        if hasattr(mixer, name):
            weight: Any = getattr(mixer, name).weight
            if name == "in_proj" and transformations.rotate_residual:
                weight = _unrotated(weight, 1)
            if name == "out_proj":
                weight = _unrotated(weight, 0) if transformations.rotate_residual else weight
                weight = _unrotated(weight, 1) if transformations.rotate_y else weight
            getattr(target, name).weight = _parameter(weight)
    own.norm.weight.fill_(1)
    if isinstance(target, Mamba2Mixer):
        target.norm.weight.fill_(1)


def _unrotated(weight: Tensor, axis: int) -> Tensor:
    rotated = weight.double().movedim(axis, -1)
    return transform_tensor(rotated.contiguous(), transpose=True).movedim(-1, axis).contiguous().to(weight.dtype)


def _parameter(weight: Tensor) -> nn.Parameter:
    return nn.Parameter(weight, requires_grad=False)
