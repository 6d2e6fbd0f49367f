"""Recipes simulated in floating point: each tensor and weight that a recipe names is rounded, all else is float32.

So recipes of others, and parts of the integer model's, are compared by nothing but what they round. The tensors are
those that :func:`qse_hw.golden.models.integer.simulation.run_layer` shows.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from qse_hw.golden.errors import InputError
from qse_hw.golden.evaluate.roundings import Rounding, Smoothed, Values, round_weight
from qse_hw.golden.models.integer.formats import ModelFormats
from qse_hw.golden.models.integer.sensitivity import rounded, rounded_A
from qse_hw.golden.models.integer.simulation import run, run_layer
from qse_hw.golden.models.integer.transformations import Transformations
from qse_hw.golden.models.mamba.model import Mamba
from qse_hw.golden.models.mamba.text import sequences

CHOSEN = "chosen"
"""The kind of rounding that a calibration of the integer model chose for the tensor."""
SEQUENCE = 512
_SEQUENCES = 8  # run at a time
_STATE_EVERY = 16  # one state in 16 is kept
_VECTORS = {"A": "A_log"}  # names of parameters that are no weight of a module


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is rounded, and how.

    Args:
        transformations: applied to the checkpoint first.
        tensors: kind of rounding, see :mod:`qse_hw.golden.evaluate.roundings`, by tensor; or :data:`CHOSEN`.
        shared: tensors that share a scale.
        weights: kind of rounding by the name of a module (its weight), "A", or "MODULE.bias", "D" and the like.
        smoothed: tensors whose channels are scaled, and the module that reads each: from the tensor to the weight goes
            the square root of the ratio of their peaks.
    """

    transformations: Transformations
    tensors: Mapping[str, str] = field(default_factory=dict)
    shared: tuple[tuple[str, ...], ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)
    smoothed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Simulated:
    """A model whose tensors are rounded: ids (b, l) -> logits (b, l, vocab_size).

    Attributes:
        model: transformed, its weights rounded.
        roundings: by layer and tensor; after the layers those of norm_f.
    """

    model: Mamba
    roundings: list[dict[str, Rounding]]

    @torch.no_grad()
    def __call__(self, ids: Tensor) -> Tensor:
        def see(layer: int, name: str, value: Tensor) -> Tensor:
            rounding = self.roundings[layer].get(name)
            return value if rounding is None else rounding.tensor(value)

        return run(self.model, ids, see)


@torch.no_grad()
def simulate(
    model: Mamba,
    ids: Tensor,
    recipes: Mapping[str, Recipe],
    *,
    tokens: int,
    formats: ModelFormats | None = None,
    progress: Callable[[float], None] | None = None,
) -> dict[str, Simulated]:
    """The models of all recipes, by name.

    Args:
        model: unquantized.
        ids: (count,), to which roundings are fitted, in sequences of 512 tokens.
        recipes: by name.
        tokens: how many ids to use, at least one sequence.
        formats: where :data:`CHOSEN` roundings are taken from.
        progress: called with the share that is done.

    Raises:
        InputError: for too short a text, or a tensor (named with its layer) to which a rounding cannot be fitted.
    """
    text = sequences(ids, tokens, SEQUENCE)
    made: dict[str, Simulated] = {}
    groups = list(dict.fromkeys(recipe.transformations for recipe in recipes.values()))
    for number, transformations in enumerate(groups):
        own = {name: recipe for name, recipe in recipes.items() if recipe.transformations == transformations}

        def report(share: float, number: int = number) -> None:
            if progress is not None:
                progress((number + share) / len(groups))

        made |= _group(model, transformations, own, text, formats, report)
    return {name: made[name] for name in recipes}


def _group(
    model: Mamba,
    transformations: Transformations,
    recipes: Mapping[str, Recipe],
    text: Tensor,
    formats: ModelFormats | None,
    report: Callable[[float], None],
) -> dict[str, Simulated]:
    """The models of recipes with the same transformations, which see the same values."""
    changed = transformations.model(model)
    models = {name: copy.deepcopy(changed) if recipe.weights else changed for name, recipe in recipes.items()}
    roundings: dict[str, list[dict[str, Rounding]]] = {name: [] for name in recipes}
    fitted = {name for recipe in recipes.values() for name, kind in recipe.tensors.items() if kind != CHOSEN}
    residual = changed.backbone.embedding(text)
    for number in range(len(changed.blocks) + 1):
        seen = _Seen(fitted, number)
        if number < len(changed.blocks):
            block = changed.blocks[number]
            residual = torch.cat([run_layer(block, part, seen) for part in residual.split(_SEQUENCES)])
        else:
            seen("norm_f", changed.backbone.norm_f(residual))
        for name, recipe in recipes.items():
            _fit(recipe, models[name], number, seen, formats, roundings[name])
        report((number + 1) / (len(changed.blocks) + 1))
    return {name: Simulated(models[name], roundings[name]) for name in recipes}


class _Seen:
    """Keeps the values of a layer's tensors, and the roundings that were fitted to them."""

    def __init__(self, names: set[str], layer: int) -> None:
        self._names, self._layer, self._steps = names, layer, 0
        self._kept: dict[str, list[Any]] = {}
        self._values: dict[tuple[str, ...], Values] = {}
        self._fitted: dict[tuple[str, tuple[str, ...]], Rounding] = {}

    def __call__(self, name: str, value: Tensor) -> Tensor:
        if name == "state":
            self._steps += 1
            if self._steps % _STATE_EVERY:
                return value
        if name in self._names:
            self._kept.setdefault(name, []).append(value.flatten(0, -2).numpy().copy())
        return value

    def __contains__(self, name: str) -> bool:
        return name in self._kept

    def values(self, names: tuple[str, ...]) -> Values:
        """All values of tensors that share a scale; of one tensor by channel."""
        if names not in self._values:
            where = f"Layer {self._layer}, {' and '.join(names)}"
            parts = [np.concatenate(self._kept[name]) for name in names]
            x = parts[0] if len(parts) == 1 else np.concatenate([part.reshape(-1) for part in parts])[:, None]
            if not np.isfinite(x).all():
                raise InputError(f"{where} must be finite, but has NaN or infinity; check the checkpoint")
            self._values[names] = Values(x, where)
        return self._values[names]

    def fit(self, kind: str, names: tuple[str, ...]) -> Rounding:
        """The rounding of that kind for these tensors together."""
        if (kind, names) not in self._fitted:
            self._fitted[kind, names] = self.values(names).fit(kind)
        return self._fitted[kind, names]


def _fit(
    recipe: Recipe,
    model: Mamba,
    number: int,
    seen: _Seen,
    formats: ModelFormats | None,
    roundings: list[dict[str, Rounding]],
) -> None:
    """Appends a layer's roundings, and rounds its weights; after the layers norm_f, embedding and head."""
    outside = number == len(model.blocks)
    names = [name for name in recipe.tensors if (name == "norm_f") == outside]
    groups = {name: next((group for group in recipe.shared if name in group), (name,)) for name in names}
    own: dict[str, Rounding] = {}
    scales: dict[str, Tensor] = {}
    for name in names:
        kind = recipe.tensors[name]
        if kind == CHOSEN:
            own[name] = _chosen(formats, number, name)
        elif name in recipe.smoothed:
            module = recipe.smoothed[name]
            weight = getattr(model.blocks[number].mixer, module).weight
            values = seen.values((name,))
            scales[module] = _smoothing(values.x, weight)
            smooth = Values(values.x / scales[module].numpy(), values.where)
            own[name] = Smoothed(smooth.fit(kind), scales[module])
        else:
            own[name] = seen.fit(kind, groups[name])
    roundings.append(own)
    for name, kind in recipe.weights.items():
        if (name in ("embedding", "head")) != outside:
            continue
        if outside:
            _round(model.lm_head if name == "head" else model.backbone.embedding, "weight", kind, name)
        else:
            _round_in_mixer(model.blocks[number].mixer, name, kind, f"Layer {number}, {name}", scales, formats, number)


def _chosen(formats: ModelFormats | None, layer: int, name: str) -> Rounding:
    assert formats is not None, "chosen roundings are taken from formats"
    return _Chosen(formats.norm_f if name == "norm_f" else getattr(formats.layers[layer], name))


@dataclass(frozen=True, eq=False)
class _Chosen:
    """Rounds as the integer model's type does."""

    to: Any

    def tensor(self, x: Tensor) -> Tensor:
        return rounded(self.to, x)


def _smoothing(x: Any, weight: Tensor) -> Tensor:
    """SmoothQuant's scales (channels) with alpha 1/2; 1 where the tensor or the weight's column is zero."""
    peaks = torch.from_numpy(np.abs(x).max(axis=0)), weight.detach().abs().amax(0)
    scales = (peaks[0] / peaks[1]).sqrt()
    return torch.where((peaks[0] > 0) & (peaks[1] > 0), scales, torch.ones_like(scales))


def _round_in_mixer(
    mixer: Any, name: str, kind: str, where: str, scales: dict[str, Tensor], formats: ModelFormats | None, layer: int
) -> None:
    if kind == CHOSEN:
        assert name == "A"
        assert formats is not None
        mixer.A_log = nn.Parameter(rounded_A(mixer.A_log, formats.layers[layer]), requires_grad=False)
        return
    path = _VECTORS.get(name, name)
    module, _, parameter = path.rpartition(".")
    holder = getattr(mixer, module) if module else mixer
    if isinstance(getattr(holder, parameter), nn.Module):
        holder, parameter = getattr(holder, parameter), "weight"
    _round(holder, parameter, kind, where, scales.get(name))


def _round(holder: Any, parameter: str, kind: str, where: str, scales: Tensor | None = None) -> None:
    weight = getattr(holder, parameter).detach()
    if scales is None:
        rounded_weight = round_weight(weight, kind, where)
    else:
        rounded_weight = round_weight(weight * scales, kind, where) / scales
    setattr(holder, parameter, nn.Parameter(rounded_weight, requires_grad=False))
