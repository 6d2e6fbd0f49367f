"""Captures the SSM inputs of every layer, the tensors that the quantizer is for."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from qse_hw.golden.models.mamba.model import Mamba
from qse_hw.golden.models.mamba.stream import Layers, activations, layers_of


def capture(
    model: Mamba | Layers, ids: Tensor, *, tokens: int, batch_length: int = 512, names: Sequence[str] = ("x",)
) -> dict[str, np.ndarray]:
    """``layers.{i}.{name}``, each float32 (tokens, channels), for the first ``tokens`` of ids (count,).

    The text is cut into sequences of ``batch_length`` tokens, each starting from an empty state, as calibration does.
    "x" has d_inner channels; the "B" and "C" of a Mamba-2 have ngroups * d_state.

    Raises:
        InputError: as :func:`qse_hw.golden.models.mamba.stream.activations`.
    """
    stream = activations(layers_of(model), ids, tokens=tokens, batch_length=batch_length, names=names)
    return {f"layers.{i}.{name}": tensor for i, tensors, _, _ in stream for name, tensor in tensors.items()}
