"""Each tensor rounded alone, in several ways: what it loses (SQNR), and what the model loses (KL divergence)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from qse_hw.golden.evaluate.roundings import ABSMAX
from qse_hw.golden.evaluate.score import Scores, score
from qse_hw.golden.evaluate.simulated import CHOSEN, Recipe, Simulated, simulate
from qse_hw.golden.models.integer.formats import ModelFormats
from qse_hw.golden.models.integer.sensitivity import tensors, weights
from qse_hw.golden.models.integer.simulation import run
from qse_hw.golden.models.mamba.model import Mamba

KINDS = (ABSMAX, "int8", CHOSEN)
"""Of the tensors that are stored; the others are fixed point, and rounded as chosen."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Of one way of rounding one tensor or weight in every layer.

    Attributes:
        kl: sum over a window, nats (windows,).
        sqnr_db: by layer; a weight's too; infinite where nothing is lost.
    """

    kl: np.ndarray
    sqnr_db: tuple[float, ...]


def by_tensor(
    model: Mamba,
    formats: ModelFormats,
    ids: Tensor,
    windows: Tensor,
    *,
    tokens: int,
    progress: Callable[[float], None] | None = None,
) -> tuple[dict[str, dict[str, Effect]], Scores]:
    """The effects by tensor, or weight, and kind of rounding, on ids (w, l); and the scores that hold all KL.

    Kinds of a weight are "tensor" and "row", steps of INT8, and of A what was chosen.

    Args:
        model: unquantized.
        formats: of the integer model, with its transformations.
        ids: (count,), to which INT8 is fitted.
        windows: held-out ids.
        tokens: how many of ``ids`` to use.
        progress: called with the share that is done.
    """
    report = progress or (lambda share: None)
    named = _recipes(formats)
    recipes = {f"{name} {kind}": recipe for (name, kind), recipe in named.items()}
    models = simulate(
        model, ids, recipes, tokens=tokens, formats=formats, progress=lambda share: report(0.2 * share)
    )
    scores = score(
        model, models, windows, vocab_size=model.config.vocab_size, progress=lambda share: report(0.2 + 0.7 * share)
    )
    unrounded = formats.transformations.model(model)
    sqnr = _tensors_sqnr(unrounded, models, named, windows) | _weights_sqnr(unrounded, models, named)
    report(1.0)
    effects: dict[str, dict[str, Effect]] = {}
    for name, kind in named:
        effects.setdefault(name, {})[kind] = Effect(kl=scores.kl[f"{name} {kind}"], sqnr_db=sqnr[name, kind])
    return effects, scores


def _recipes(formats: ModelFormats) -> dict[tuple[str, str], Recipe]:
    transformations = formats.transformations

    def tensor(name: str, kind: str) -> Recipe:
        return Recipe(transformations=transformations, tensors={name: kind})

    def weight(name: str, kind: str) -> Recipe:
        return Recipe(transformations=transformations, weights={name: kind})

    own, named = type(formats.layers[0]), dict[tuple[str, str], Recipe]()
    for name in sorted(tensors(own), key=own.FIXED.__contains__):  # those last
        named |= {(name, kind): tensor(name, kind) for kind in ((CHOSEN,) if name in own.FIXED else KINDS)}
    for name in weights(own):
        named |= {(name, kind): weight(name, kind) for kind in ("tensor", CHOSEN if name == "A" else "row")}
    return named


@torch.no_grad()
def _tensors_sqnr(
    unrounded: Mamba, models: Mapping[str, Simulated], named: Mapping[tuple[str, str], Recipe], windows: Tensor
) -> dict[tuple[str, str], tuple[float, ...]]:
    """Of the values that each tensor has where nothing is rounded, on the held-out text."""
    own = {key: models[" ".join(key)].roundings for key, recipe in named.items() if recipe.tensors}
    layers = len(unrounded.blocks)
    power = {key: np.zeros(layers + 1) for key in own}
    error = {key: np.zeros(layers + 1) for key in own}

    def see(layer: int, name: str, value: Tensor) -> Tensor:
        for key, roundings in own.items():
            if key[0] == name:
                lost = roundings[layer][name].tensor(value) - value
                power[key][layer] += float(value.double().square().sum())
                error[key][layer] += float(lost.double().square().sum())
        return value

    for ids in torch.split(windows, 8):
        run(unrounded, ids, see)
    return {key: _decibels(power[key], error[key]) for key in own}


def _weights_sqnr(
    unrounded: Mamba, models: Mapping[str, Simulated], named: Mapping[tuple[str, str], Recipe]
) -> dict[tuple[str, str], tuple[float, ...]]:
    decibels = {}
    for key, recipe in named.items():
        if recipe.weights:
            pairs = list(zip(_weights(unrounded, key[0]), _weights(models[" ".join(key)].model, key[0]), strict=True))
            power = [float(exact.double().square().sum()) for exact, _ in pairs]
            error = [float((rounded - exact).double().square().sum()) for exact, rounded in pairs]
            decibels[key] = _decibels(np.array(power), np.array(error))
    return decibels


def _weights(model: Mamba, name: str) -> list[Tensor]:
    """In every layer; of embedding and head the only one; of A the decays, not their logarithms."""
    if name in ("embedding", "head"):
        return [model.lm_head.weight if name == "head" else model.backbone.embedding.weight]
    if name == "A":
        return [cast(Any, block.mixer).A_log.detach().exp() for block in model.blocks]
    return [getattr(block.mixer, name).weight.detach() for block in model.blocks]


def _decibels(power: np.ndarray, error: np.ndarray) -> tuple[float, ...]:
    """Where there is anything: norm_f is of no layer, other tensors are of all."""
    there = power > 0
    with np.errstate(divide="ignore"):
        return tuple((10 * np.log10(power[there] / error[there])).tolist())
