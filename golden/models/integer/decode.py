"""The integer model as a decoder: one token at a time, for generating text.

Shapes: batch b.
"""


import numpy as np
import torch
from torch import Tensor

from qse_hw.golden.checks import instance
from qse_hw.golden.models.integer.array_arithmetic import Integers
from qse_hw.golden.models.integer.formats import ModelFormats
from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.parameters import Parameters, model_parameters
from qse_hw.golden.models.integer.scalar_arithmetic import Saturated
from qse_hw.golden.models.integer.step import library
from qse_hw.golden.models.integer.step.model import StepModel
from qse_hw.golden.models.mamba.generate import Decoder
from qse_hw.golden.models.mamba.model import Mamba


class IntegerDecoder(Decoder):
    """An integer model that processes one token at a time, on the CPU.

    Each step is that of :class:`StepModel`, in C++, for every configuration; without a C++ compiler it is that of
    :class:`IntegerMamba`, on arrays, whose logits and states are the same bits. Generation is greedy by the logits'
    integers, since float32 holds all of theirs exactly.

    Args:
        parameters: the model's integers.
        batch: sequences.

    Attributes:
        formats: of the model's tensors.
        compiled: whether the steps are those in C++.
    """

    def __init__(self, parameters: Parameters, *, batch: int = 1) -> None:
        instance(parameters, Parameters, "Parameters", "a Parameters, as model_parameters gives it")
        super().__init__(
            batch=batch, vocab_size=len(parameters.head.weights), device=torch.device("cpu"), compiled=False
        )
        self.formats, self.compiled = parameters.formats, library.available()
        self._steps: _Compiled | _Arrays = (_Compiled if self.compiled else _Arrays)(parameters, batch)

    @classmethod
    def of(cls, model: Mamba, formats: ModelFormats, *, batch: int = 1) -> "IntegerDecoder":
        """The decoder of a Mamba as it was trained; raises InputError as :func:`model_parameters` does."""
        return cls(model_parameters(model, formats), batch=batch)

    @property
    def saturated(self) -> Saturated:
        """How often each tensor's values saturated."""
        return self._steps.saturated

    def states(self) -> list[Tensor]:
        """Per layer the window (b, ...) and the SSM state (b, ...), in the layout of the steps.

        Where a state is rounded stochastically, also the LFSR's words belong to it: only :meth:`reset` empties it.
        """
        return [torch.from_numpy(array) for array in self._steps.states()]

    def reset(self) -> None:
        """Empty the state."""
        self._steps.reset()

    def step(self, ids: Tensor) -> Tensor:
        """Logits (b, vocab_size), float32, after one more token (b,)."""
        logits = self._steps(ids.tolist())
        return torch.from_numpy(np.ldexp(logits, self.formats.logits.exponent).astype(np.float32))


class _Compiled:
    """In C++."""

    def __init__(self, parameters: Parameters, batch: int) -> None:
        self._model = StepModel(parameters, batch)
        self.reset = self._model.reset

    def __call__(self, tokens: list[int]) -> Integers:
        rows = [self._model.step(token, sequence).copy() for sequence, token in enumerate(tokens)]
        return np.stack(rows)

    @property
    def saturated(self) -> Saturated:
        return self._model.saturated

    def states(self) -> list[np.ndarray]:
        return [array for memory in self._model.memories for array in (memory.window, memory.h)]


class _Arrays:
    """On arrays."""

    def __init__(self, parameters: Parameters, batch: int) -> None:
        self._model, self._batch = IntegerMamba(parameters), batch
        self.reset()

    def reset(self) -> None:
        self._states = self._model.start(self._batch)

    def __call__(self, tokens: list[int]) -> Integers:
        logits: Integers = self._model.forward(np.array(tokens)[:, None], self._states)[:, 0]
        return logits

    @property
    def saturated(self) -> Saturated:
        return self._model.saturated

    def states(self) -> list[np.ndarray]:
        return [array for state in self._states for array in (np.ascontiguousarray(state.window), state.h)]
