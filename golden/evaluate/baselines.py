"""Recipes that the integer model is compared with, and what each of its own parts brings.

Quamba's as :mod:`qse_hw.golden.models.quamba.model` computes it in integers, simulated here so that one thing at a time
can be changed in it. float8 and MXFP8 for every tensor and weight, without rotations.
"""

from dataclasses import replace

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.evaluate.roundings import ABSMAX, MXFP8
from qse_hw.golden.evaluate.simulated import CHOSEN, Recipe
from qse_hw.golden.models.integer.formats import OPERANDS, ModelFormats
from qse_hw.golden.models.integer.sensitivity import TENSORS, WEIGHTS
from qse_hw.golden.models.integer.transformations import NONE, Transformations

_FOLDED = Transformations(rotate_residual=False)
_MATRICES = ("in_proj", "conv1d", "x_proj", "dt_proj", "out_proj")
_QUAMBA_WEIGHTS = (*_MATRICES, "conv1d.bias", "dt_proj.bias", "A", "D")
_STORED = ("norm", "conv_input", "gate", "x", "dt_low", "B", "C", "dt", "y")
FLOAT8 = ("fp8-e4m3", "fp8-e3m4", MXFP8)


def quamba(alpha: float) -> Recipe:
    """Quamba with x at that percentile; :mod:`qse_hw.golden.models.quamba.calibration` says what shares a scale."""
    return Recipe(
        transformations=_FOLDED,
        tensors=dict.fromkeys(_STORED, ABSMAX) | {"x": f"quamba:alpha={alpha}"},
        shared=(("conv_input", "gate"), ("dt_low", "B", "C")),
        weights=dict.fromkeys(_QUAMBA_WEIGHTS, "tensor"),
    )


def baselines(alpha: float) -> dict[str, Recipe]:
    """By name: Quamba with x at that percentile, with one change or two, and float8 everywhere."""
    plain = quamba(alpha)
    rows = plain.weights | dict.fromkeys(_MATRICES, "row")
    rotated = Transformations()
    smoothed = replace(plain, shared=(("conv_input", "gate"), ("B", "C")))
    everywhere = {
        kind: Recipe(
            transformations=NONE,
            tensors=dict.fromkeys((*_STORED, "norm_f"), kind),
            weights=dict.fromkeys((*_MATRICES, "embedding", "head"), kind),
        )
        for kind in FLOAT8
    }
    return {
        "quamba-simulated": plain,
        "quamba-rotated": replace(plain, transformations=rotated),
        "quamba-rows": replace(plain, weights=rows),
        "quamba-rotated-rows": replace(plain, transformations=rotated, weights=rows),
        "quamba-smoothed": replace(smoothed, smoothed={"norm": "in_proj", "dt_low": "dt_proj"}),
    } | everywhere


def parts(formats: ModelFormats, refit: str | None = None) -> dict[str, Recipe]:
    """By name: the integer model's recipe ("all"), and that recipe without one of its parts.

    Without a rotation, the tensors that it changes get the format ``refit``; None: one that is tuned to as many bits.
    """
    whole = formats.transformations
    weights = dict.fromkeys(WEIGHTS, formats.weights) | {"embedding": "row", "conv1d": "row", "A": CHOSEN}
    everything = Recipe(transformations=whole, tensors=dict.fromkeys(TENSORS, CHOSEN), weights=weights)
    first = formats.layers[0]
    norms = {"norm": refit or _tuned(first.norm), "norm_f": refit or _tuned(formats.norm_f)}
    unrotated = replace(whole, rotate_residual=False)
    matrices = [name for name in WEIGHTS if name not in ("embedding", "conv1d", "A")]
    return {
        "all": everything,
        "without rotate_residual": replace(
            everything, transformations=unrotated, tensors=everything.tensors | norms
        ),
        "without fold_norms": replace(
            everything, transformations=replace(unrotated, fold_norms=False), tensors=everything.tensors | norms
        ),
        "without rotate_y": replace(
            everything,
            transformations=replace(whole, rotate_y=False),
            tensors=everything.tensors | {"y": refit or _tuned(first.y)},
        ),
        "without row scales": replace(everything, weights=weights | dict.fromkeys(matrices, "tensor")),
        "without soft edges": replace(
            everything, tensors=everything.tensors | dict.fromkeys((*OPERANDS, "norm_f"), "int8")
        ),
    }


def _tuned(operand: SegmentedQuantizer) -> str:
    return f"tuned:sign=1,bits={operand.format.bits}"
