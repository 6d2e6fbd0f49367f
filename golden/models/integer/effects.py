"""What each tensor of each layer loses when it is rounded alone, by each of several calibrations.

A rounding with the least squared error is not always the one that the model feels least; this shows where.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.formats import ModelFormats
from qse_hw.golden.models.integer.sensitivity import rounded
from qse_hw.golden.models.integer.simulation import run_layer
from qse_hw.golden.models.mamba.model import Mamba

_SEQUENCES = 8  # run at a time
_LOGITS = 1 << 24  # of them, at most so many logits
Key = tuple[int, str]
"""Layer and tensor; norm_f has the number n_layer."""


@dataclass(kw_only=True)
class Effect:
    """Of one rounding of one tensor.

    Attributes:
        kl: KL(P_unquantized || P_rounded), nats per token.
        power, error: sums of squares of the tensor and of its rounding errors.
    """

    kl: float = 0.0
    power: float = 0.0
    error: float = 0.0

    @property
    def sqnr_db(self) -> float:
        """Infinite if nothing is lost."""
        return 10 * math.log10(self.power / self.error) if self.error else math.inf


@torch.no_grad()
def effects(
    model: Mamba,
    formats: Mapping[str, ModelFormats],
    text: Tensor,
    *,
    progress: Callable[[float], None] | None = None,
) -> dict[Key, dict[str, Effect]]:
    """Of all stored tensors in segmented formats that the calibrations round differently.

    Args:
        model: as it was trained.
        formats: calibrations of the same transformations, by name.
        text: ids (sequences, tokens), each sequence from an empty state.
        progress: called with the share that is done.

    Raises:
        InputError: for calibrations of different transformations.
    """
    first, *others = formats.values()
    if any(other.transformations != first.transformations for other in others):
        raise InputError("Calibrations must be of the same transformations, to compare them tensor by tensor")
    changed = first.transformations.model(model)
    types = _different(formats)
    measured = {key: {name: Effect() for name in named} for key, named in types.items()}
    batch = max(1, min(_SEQUENCES, _LOGITS // (text.shape[1] * model.config.vocab_size)))
    parts = torch.split(text, batch)
    for number, ids in enumerate(parts):
        _add(changed, types, measured, ids)
        if progress is not None:
            progress((number + 1) / len(parts))
    for named in measured.values():
        for effect in named.values():
            effect.kl /= text.numel()
    return measured


@torch.no_grad()
def divergence(exact: Callable[[Tensor], Tensor], quantized: Callable[[Tensor], Tensor], ids: Tensor) -> float:
    """KL(P_exact || P_quantized) of the distributions after every token of ids (b, l); nats in all."""
    p, q = (F.log_softmax(model(ids).double(), dim=-1) for model in (exact, quantized))
    return float((p.exp() * (p - q)).sum())


def disagreements(measured: Mapping[Key, Mapping[str, Effect]]) -> list[Key]:
    """Where the rounding of the greatest SQNR is not that of the least KL divergence, the largest loss first."""
    lost = {}
    for key, named in measured.items():
        sharpest = max(named.values(), key=lambda effect: effect.sqnr_db)
        lost[key] = sharpest.kl - min(effect.kl for effect in named.values())
    return sorted((key for key, kl in lost.items() if kl > 0), key=lambda key: -lost[key])


def _different(formats: Mapping[str, ModelFormats]) -> dict[Key, dict[str, object]]:
    """The types of each tensor by calibration, where these are not all the same."""
    kind = type(next(iter(formats.values())).layers[0])
    types: dict[Key, dict[str, object]] = {}
    for name, own in formats.items():
        for number, layer in enumerate(own.layers):
            for tensor in (*kind.OPERANDS, *kind.LOCALS):
                types.setdefault((number, tensor), {})[name] = getattr(layer, tensor)
        types.setdefault((len(own.layers), "norm_f"), {})[name] = own.norm_f
    return {key: named for key, named in types.items() if len({repr(one) for one in named.values()}) > 1}


def _add(
    changed: Mamba, types: Mapping[Key, Mapping[str, object]], measured: Mapping[Key, Mapping[str, Effect]], ids: Tensor
) -> None:
    """The sums over further sequences."""
    residuals = [changed.backbone.embedding(ids)]
    for block in changed.blocks:
        residuals.append(run_layer(block, residuals[-1], lambda name, value: value))
    exact = _log_probabilities(changed, residuals[-1], None)
    for (number, tensor), named in types.items():
        for name, to in named.items():
            see = _Rounding(tensor, to, measured[number, tensor][name])
            residual = residuals[number]
            for block in changed.blocks[number:]:
                residual = run_layer(block, residual, see)
                see.name = ""  # later layers are exact
            q = _log_probabilities(changed, residual, see)
            see.effect.kl += float((exact.exp() * (exact - q)).sum())


class _Rounding:
    """A hook that rounds one tensor, and sums its errors."""

    def __init__(self, name: str, to: object, effect: Effect) -> None:
        self.name, self.to, self.effect = name, to, effect

    def __call__(self, name: str, value: Tensor) -> Tensor:
        if name != self.name:
            return value
        stored = rounded(self.to, value)  # type: ignore[arg-type]
        self.effect.power += float(value.double().square().sum())
        self.effect.error += float((stored - value).double().square().sum())
        return stored


def _log_probabilities(changed: Mamba, residual: Tensor, see: _Rounding | None) -> Tensor:
    hidden = F.rms_norm(residual, residual.shape[-1:], eps=changed.config.eps)
    hidden = hidden if see is None else see("norm_f", hidden)
    return F.log_softmax(F.linear(hidden, changed.lm_head.weight).double(), dim=-1)
