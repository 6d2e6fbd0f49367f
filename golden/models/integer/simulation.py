"""A model, transformed or not, in floating point, with a hook at every tensor that the integer model has a type for.

Shapes: batch b, length l, ``d_model`` m.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from qse_hw.golden.models.integer.mamba1 import simulation as mamba1
from qse_hw.golden.models.integer.mamba2 import simulation as mamba2
from qse_hw.golden.models.integer.observe import See
from qse_hw.golden.models.mamba.mamba2 import Mamba2Mixer
from qse_hw.golden.models.mamba.model import Block, Mamba


def run_layer(block: Block, residual: Tensor, see: See) -> Tensor:
    """The residual stream (b, l, m) after a layer."""
    mix = mamba2.mix if isinstance(block.mixer, Mamba2Mixer) else mamba1.mix
    return residual + mix(block, residual, see)


def run(model: Mamba, ids: Tensor, see: Callable[[int, str, Tensor], Tensor]) -> Tensor:
    """Logits (b, l, vocab_size) of a model; ``see`` also gets the layer: n_layer for norm_f."""
    residual = model.backbone.embedding(ids)
    for number, block in enumerate(model.blocks):
        residual = run_layer(block, residual, lambda name, value, number=number: see(number, name, value))  # type: ignore[misc]
    hidden = see(len(model.blocks), "norm_f", model.backbone.norm_f(residual))
    return F.linear(hidden, model.lm_head.weight)
