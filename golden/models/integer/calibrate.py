"""Finds the format of every tensor of a Mamba, layer by layer, from the values it takes on a calibration text."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from qse_hw.golden.checks import instance
from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.choose import fixed_point, operand_type
from qse_hw.golden.models.integer.formats import WIDE_BITS, FixedPoint, LayerFormats, ModelFormats
from qse_hw.golden.models.integer.mamba1 import calibrate as mamba1
from qse_hw.golden.models.integer.mamba1.formats import Mamba1Formats
from qse_hw.golden.models.integer.mamba2 import calibrate as mamba2
from qse_hw.golden.models.integer.mamba2.formats import Mamba2Formats
from qse_hw.golden.models.integer.observe import Seen
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.integer.simulation import run_layer
from qse_hw.golden.models.integer.transformations import Transformations
from qse_hw.golden.models.mamba.checkpoint import fingerprint
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Block, Mamba
from qse_hw.golden.models.mamba.text import check_ids

SEQUENCE = 512
_SEQUENCES = 8  # run at a time


@torch.no_grad()
def calibrate_integer(
    model: Mamba,
    ids: Tensor,
    *,
    tokens: int,
    options: Options | None = None,
    transformations: Transformations | None = None,
    progress: Callable[[int], None] | None = None,
) -> ModelFormats:
    """Choose the format of every tensor of every layer.

    Args:
        model: a Mamba as it was trained.
        ids: (count,), cut into sequences of 512 tokens that each start from the empty state.
        tokens: number of ids to use, at least one sequence; rounded down to whole sequences.
        options: see :class:`Options`.
        transformations: applied to the checkpoint first; None: all of them.
        progress: called with each layer's number when it is done.

    Raises:
        InputError: for a width without a Hadamard matrix, too short a text, or a tensor (named with its
            layer) that is zero or not finite, or that no type can hold.
    """
    instance(model, Mamba, "Model", "a Mamba of this package, as load_model gives it")
    check_ids(ids, model.config.vocab_size)
    options, wanted = options or Options(), transformations or Transformations()
    if not SEQUENCE <= tokens <= len(ids):
        raise InputError(f"Tokens must be from one sequence of {SEQUENCE} to the text's {len(ids)}, not {tokens}")
    changed = wanted.model(model)
    text = ids[: tokens // SEQUENCE * SEQUENCE].long().view(-1, SEQUENCE)
    residual = changed.backbone.embedding(text)
    kind: type[LayerFormats] = Mamba1Formats
    layer_formats: Callable[[Block, Seen, Options], LayerFormats] = mamba1.layer_formats
    if isinstance(model.config, Mamba2Config):
        kind, layer_formats = Mamba2Formats, mamba2.layer_formats
    kept, layers = (*kind.OPERANDS, *kind.LOCALS, "state"), []
    for number, block in enumerate(changed.blocks):
        seen = Seen(number, kept)
        residual = torch.cat([run_layer(block, part, seen) for part in residual.split(_SEQUENCES)])
        layers.append(layer_formats(block, seen, options))
        if progress is not None:
            progress(number)
    last = Seen(None, ("norm_f",))
    hidden = last("norm_f", F.rms_norm(residual, residual.shape[-1:], eps=model.config.eps))
    logits = last("logits", F.linear(hidden, changed.lm_head.weight))
    return ModelFormats(
        model=fingerprint(model),
        tokens=text.numel(),
        transformations=wanted,
        weights=options.weights,
        residual=FixedPoint(bits=WIDE_BITS, exponent=-options.residual_fraction),
        layers=tuple(layers),
        norm_f=operand_type(last.histogram("norm_f"), options.spec),
        logits=fixed_point(4 * float(logits.abs().max()), WIDE_BITS),
    )
