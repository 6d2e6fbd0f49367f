"""The integer model on arrays, bit-exact with :mod:`qse_hw.golden.models.integer.scalar`.

Shapes: batch b, length l, ``d_model`` m.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from qse_hw.golden.models.integer.array_arithmetic import ArrayArithmetic, Integers, LayerState, factor
from qse_hw.golden.models.integer.formats import ModelFormats
from qse_hw.golden.models.integer.mamba1.array import Mamba1Array
from qse_hw.golden.models.integer.mamba2.array import Mamba2Array
from qse_hw.golden.models.integer.mamba2.parameters import Mamba2Layer
from qse_hw.golden.models.integer.parameters import Parameters, model_parameters
from qse_hw.golden.models.integer.scalar_arithmetic import Saturated
from qse_hw.golden.models.mamba.model import Mamba


class IntegerMamba:
    """Computes with integers only: token ids in, integer logits out.

    Args:
        parameters: the model's integers.

    Attributes:
        saturated: how often each tensor's values saturated.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters, self.saturated = parameters, Saturated()
        residual = parameters.formats.residual
        self.mixers = [
            Mamba2Array(number, layer, residual, self.saturated)
            if isinstance(layer, Mamba2Layer)
            else Mamba1Array(number, layer, residual, self.saturated)
            for number, layer in enumerate(parameters.layers)
        ]
        self._ends = ArrayArithmetic(None, self.saturated)

    @classmethod
    def of(cls, model: Mamba, formats: ModelFormats) -> "IntegerMamba":
        """The integer model of a Mamba as it was trained; raises InputError as :func:`model_parameters` does."""
        return cls(model_parameters(model, formats))

    def start(self, batch: int) -> list[LayerState]:
        """The empty state of ``batch`` sequences, of every layer."""
        return [mixer.start(batch) for mixer in self.mixers]

    def __call__(self, ids: Tensor) -> Tensor:
        """Logits (b, l, vocab_size), float32, of ids (b, l); every sequence starts from the empty state."""
        logits = self.forward(ids.cpu().numpy(), self.start(len(ids)))
        return torch.from_numpy(np.ldexp(logits, self.parameters.formats.logits.exponent).astype(np.float32))

    def forward(self, ids: npt.NDArray[np.integer[Any]], states: list[LayerState]) -> Integers:
        """Logits int64 (b, l, vocab_size), in units of their type, of further tokens (b, l); updates ``states``."""
        own, formats, ends = self.parameters, self.parameters.formats, self._ends
        rows = own.embedding.weights[ids] * factor(own.embedding.by)[ids][..., None]
        residual = ends.fixed("residual", rows, formats.residual)
        for mixer, state in zip(self.mixers, states, strict=True):
            residual = mixer.saturate("residual", residual + mixer.forward(residual, state), formats.residual.high)
        hidden = ends.normalize("norm_f", own.norm_f, residual, formats.norm_f)
        return ends.product("logits", own.head, hidden, formats.logits).astype(np.int64)
