"""The integers of a whole quantized model, from a checkpoint and its formats."""

from dataclasses import dataclass
from typing import cast

from qse_hw.golden.models.integer.formats import FixedPoint, Granularity, LayerFormats, ModelFormats
from qse_hw.golden.models.integer.mamba1 import parameters as mamba1
from qse_hw.golden.models.integer.mamba1.formats import Mamba1Formats
from qse_hw.golden.models.integer.mamba2 import parameters as mamba2
from qse_hw.golden.models.integer.mamba2.formats import Mamba2Formats
from qse_hw.golden.models.integer.products import Norm, Product, multipliers, norm, product, quantize_rows
from qse_hw.golden.models.mamba.checkpoint import fingerprint
from qse_hw.golden.models.mamba.model import Block, Mamba

Layer = mamba1.Mamba1Layer | mamba2.Mamba2Layer


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The integers of a model: rows of the embedding with their multipliers, layers, the last norm, the head."""

    formats: ModelFormats
    embedding: Product
    layers: tuple[Layer, ...]
    norm_f: Norm
    head: Product


def model_parameters(model: Mamba, formats: ModelFormats) -> Parameters:
    """The integers of a Mamba as it was trained; applies the transformations.

    Raises:
        InputError: for formats of another checkpoint, or formats that do not fit the weights.
    """
    formats.check(fingerprint(model), model.config.architecture, model.config.n_layer)
    changed, residual, granularity = formats.transformations.model(model), formats.residual, formats.weights
    codes, steps = quantize_rows(changed.backbone.embedding.weight, "row", "Embedding")
    head, norm_f = formats.logits.step, formats.norm_f
    return Parameters(
        formats=formats,
        embedding=Product(
            weights=codes, by=multipliers([step / residual.step for step in steps], "Embedding")
        ),
        layers=tuple(
            _layer(block, layer, residual, granularity, number)
            for number, (block, layer) in enumerate(zip(changed.blocks, formats.layers, strict=True))
        ),
        norm_f=norm(norm_f.scale.step, residual, model.config.d_model, model.config.eps, "norm_f"),
        head=product(changed.lm_head.weight, norm_f, head, granularity, "Head"),
    )  # fmt: skip


def _layer(
    block: Block, formats: LayerFormats, residual: FixedPoint, granularity: Granularity, number: int
) -> Layer:
    if isinstance(formats, Mamba2Formats):
        return mamba2.layer_parameters(block, formats, residual, granularity, number)
    return mamba1.layer_parameters(block, cast(Mamba1Formats, formats), residual, granularity, number)
