"""The integers of a whole quantized model, from a checkpoint and its formats."""

from dataclasses import dataclass
from typing import cast

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.formats import ModelFormats
from qse_hw.golden.models.integer.mamba1.formats import Mamba1Formats
from qse_hw.golden.models.integer.mamba1.parameters import Mamba1Layer, layer_parameters
from qse_hw.golden.models.integer.products import Norm, Product, multipliers, norm, product, quantize_rows
from qse_hw.golden.models.mamba.checkpoint import fingerprint
from qse_hw.golden.models.mamba.model import Mamba, MambaConfig


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The integers of a model: rows of the embedding with their multipliers, layers, the last norm, the head."""

    formats: ModelFormats
    embedding: Product
    layers: tuple[Mamba1Layer, ...]
    norm_f: Norm
    head: Product


def model_parameters(model: Mamba, formats: ModelFormats) -> Parameters:
    """The integers of a Mamba-1 as it was trained; applies the transformations.

    Raises:
        InputError: for a Mamba-2, formats of another checkpoint, or formats that do not fit the weights.
    """
    if not isinstance(model.config, MambaConfig):
        raise InputError("Model must be a Mamba-1, not a Mamba-2; the integer model has no other mixer yet")
    formats.check(fingerprint(model), model.config.n_layer)
    layers = cast(tuple[Mamba1Formats, ...], formats.layers)
    changed, residual, granularity = formats.transformations.model(model), formats.residual, formats.weights
    codes, steps = quantize_rows(changed.backbone.embedding.weight, "row", "Embedding")
    return Parameters(
        formats=formats,
        embedding=Product(
            weights=codes, by=multipliers([step / residual.step for step in steps], "Embedding")
        ),
        layers=tuple(
            layer_parameters(block, layer, residual, granularity, number)
            for number, (block, layer) in enumerate(zip(changed.blocks, layers, strict=True))
        ),
        norm_f=norm(formats.norm_f, residual, model.config.d_model, model.config.eps),
        head=product(changed.lm_head.weight, formats.norm_f, formats.logits.step, granularity, "Head"),
    )
