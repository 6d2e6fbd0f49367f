"""Captures the SSM input x of every layer, the tensor that the quantiser is for."""

import numpy as np
import torch
from torch import Tensor

from golden.errors import InputError
from golden.mamba.model import Mamba

_SEQUENCES = 8  # at a time: enough for two cores, little memory


@torch.inference_mode()
def capture(model: Mamba, ids: Tensor, *, tokens: int, batch_length: int = 512) -> dict[str, np.ndarray]:
    """``layers.{i}.x``, each float32 (tokens, d_inner), for the first ``tokens`` of ids (count,).

    The text is cut into sequences of ``batch_length`` tokens, each starting from an empty state, as calibration does.

    Raises:
        InputError: when ``tokens`` or ``batch_length`` is not positive, or there are fewer ids than ``tokens``.
    """
    if tokens < 1 or batch_length < 1:
        raise InputError(f"tokens and batch_length must be positive, not {tokens} and {batch_length}")
    if tokens > len(ids):
        raise InputError(f"tokens must be at most the text's {len(ids)}, not {tokens}; give a longer text")
    device = model.backbone.embedding.weight.device
    d_inner, layers = model.config.d_inner, range(model.config.n_layer)
    captured = {f"layers.{i}.x": np.empty((tokens, d_inner), np.float32) for i in layers}
    whole = tokens - tokens % batch_length
    start = 0
    while start < tokens:
        if start < whole:
            stop = min(whole, start + _SEQUENCES * batch_length)
            batch = ids[start:stop].view(-1, batch_length)
        else:  # the last, shorter sequence
            stop = tokens
            batch = ids[start:stop].view(1, -1)

        def keep(layer: int, x: Tensor, rows: slice = slice(start, stop)) -> Tensor:
            captured[f"layers.{layer}.x"][rows] = x.reshape(-1, d_inner).float().cpu().numpy()
            return x

        model.features(batch.to(device), keep)
        start = stop
    return captured
