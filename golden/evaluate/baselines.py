"""Recipes that the integer model is compared with, and what each of its own parts brings.

Quamba's as :mod:`qse_hw.golden.models.quamba.model` computes it in integers, simulated here so that one thing at a time
can be changed in it; of a Mamba-2 the whole of Quamba2 (arXiv 2503.22879), with in_proj's outputs at scales of their
own. float8 and MXFP8 for every tensor and weight, without rotations.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.evaluate.roundings import ABSMAX, MXFP8
from qse_hw.golden.evaluate.simulated import CHOSEN, Recipe
from qse_hw.golden.models.integer.formats import ModelFormats
from qse_hw.golden.models.integer.sensitivity import tensors, weights
from qse_hw.golden.models.integer.transformations import NONE, Transformations

FLOAT8 = ("fp8-e4m3", "fp8-e3m4", MXFP8)


@dataclass(frozen=True, kw_only=True)
class _Quamba:
    """The tensors that have 8 bits in it, those that share a scale, matrices, vectors; who reads a smoothed tensor."""

    tensors: tuple[str, ...]
    shared: tuple[tuple[str, ...], ...]
    matrices: tuple[str, ...]
    vectors: tuple[str, ...]
    smoothed: dict[str, str]


_QUAMBA = {
    "mamba1": _Quamba(
        tensors=("norm", "conv_input", "gate", "x", "dt_low", "B", "C", "dt", "y"),
        shared=(("conv_input", "gate"), ("dt_low", "B", "C")),
        matrices=("in_proj", "conv1d", "x_proj", "dt_proj", "out_proj"),
        vectors=("conv1d.bias", "dt_proj.bias", "A", "D"),
        smoothed={"norm": "in_proj", "dt_low": "dt_proj"},
    ),
    "mamba2": _Quamba(
        tensors=("norm", "gate", "conv_input", "dt", "x", "B", "C", "y"),
        shared=(),
        matrices=("in_proj", "conv1d", "out_proj"),
        vectors=("conv1d.bias", "dt_bias", "A", "D"),
        smoothed={"norm": "in_proj"},
    ),
}
"""By architecture."""


def quamba(architecture: str, x: str) -> Recipe:
    """Quamba with x in that format, a text that :func:`qse_hw.golden.calibration.spec.parse_candidate` takes."""
    own = _QUAMBA[architecture]
    return Recipe(
        transformations=Transformations(rotate_residual=False),
        tensors=dict.fromkeys(own.tensors, ABSMAX) | {"x": x},
        shared=own.shared,
        weights=dict.fromkeys((*own.matrices, *own.vectors), "tensor"),
    )


def baselines(architecture: str, x: str) -> dict[str, Recipe]:
    """By name: Quamba with x in that format, with one change or two, and float8 everywhere."""
    own, plain = _QUAMBA[architecture], quamba(architecture, x)
    rows = dict(plain.weights) | dict.fromkeys(own.matrices, "row")
    rotated = Transformations()
    apart = tuple(tuple(name for name in group if name not in own.smoothed) for group in own.shared)
    everywhere = {
        kind: Recipe(
            transformations=NONE,
            tensors=dict.fromkeys((*own.tensors, "norm_f"), kind),
            weights=dict.fromkeys((*own.matrices, "embedding", "head"), kind),
        )
        for kind in FLOAT8
    }
    return {
        "quamba-simulated": plain,
        "quamba-rotated": replace(plain, transformations=rotated),
        "quamba-rows": replace(plain, weights=rows),
        "quamba-rotated-rows": replace(plain, transformations=rotated, weights=rows),
        "quamba-smoothed": replace(plain, shared=apart, smoothed=own.smoothed),
    } | everywhere


def parts(formats: ModelFormats, refit: str | None = None) -> dict[str, Recipe]:
    """By name: the integer model's recipe ("all"), and that recipe without one of its parts.

    Without a rotation, the tensors that it changes get the format ``refit``; None: one that is tuned to as many bits.
    """
    whole, first = formats.transformations, cast(Any, formats.layers[0])
    chosen = dict.fromkeys(tensors(type(first)), CHOSEN)
    rounded = dict(_weights(formats))
    everything = Recipe(transformations=whole, tensors=chosen, weights=rounded)
    norms = {"norm": refit or _tuned(first.norm), "norm_f": refit or _tuned(formats.norm_f)}
    y = {"y": refit or _tuned(first.y)}
    unrotated = replace(whole, rotate_residual=False)
    operands = (*first.OPERANDS, "norm_f")
    return {
        "all": everything,
        "without rotate_residual": replace(everything, transformations=unrotated, tensors=chosen | norms),
        "without fold_norms": replace(
            everything, transformations=replace(unrotated, fold_norms=False), tensors=chosen | norms
        ),
        "without rotate_y": replace(everything, transformations=replace(whole, rotate_y=False), tensors=chosen | y),
        "without row scales": replace(
            everything, weights={name: "tensor" if kind == "row" else kind for name, kind in rounded.items()}
        ),
        "without soft edges": replace(everything, tensors=chosen | dict.fromkeys(operands, "int8")),
    }


def _weights(formats: ModelFormats) -> Iterator[tuple[str, str]]:
    """As the integer model rounds them."""
    for name in weights(type(formats.layers[0])):
        yield name, CHOSEN if name == "A" else "row" if name in ("embedding", "conv1d") else formats.weights


def _tuned(operand: SegmentedQuantizer) -> str:
    return f"tuned:sign=1,bits={operand.format.bits}"
