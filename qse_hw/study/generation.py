"""Text from one model in several forms: unquantized, in integers, in Verilog."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.parameters import Parameters
from qse_hw.golden.models.integer.taps import Taps
from qse_hw.golden.models.mamba.generate import Decoder
from qse_hw.sim.accelerator.accelerator import Accelerator
from qse_hw.sim.accelerator.compare import Comparison, Mismatch, compare

Integers = npt.NDArray[np.int64]


class Form(Protocol):
    """A model that takes a token and gives the logits after it, at the start of a sequence."""

    def step(self, token: int) -> npt.NDArray[Any]:
        """Logits (vocabulary,), integers or floats."""


@dataclass
class Continuation:
    """What a form of the model wrote: tokens after the prompt, and seconds for all tokens with the prompt's."""

    tokens: list[int] = field(default_factory=list)
    seconds: float = 0.0


def generate(form: Form, prompt: Sequence[int], tokens: int, report: Callable[[int], None]) -> Continuation:
    """The greedy continuation of a prompt; of equal logits the token with the lowest number.

    Args:
        form: at the start of a sequence.
        prompt: ids, at least one.
        tokens: how many, at least one.
        report: is called with each token as it comes.
    """
    begun = time.perf_counter()
    for token in prompt[:-1]:
        form.step(token)
    written, token = Continuation(), prompt[-1]
    for _ in range(tokens):
        token = int(np.argmax(form.step(token)))
        written.tokens.append(token)
        report(token)
    written.seconds = time.perf_counter() - begun
    return written


class Decoded:
    """A form that a decoder of one sequence computes."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def step(self, token: int) -> npt.NDArray[Any]:
        """Logits (vocabulary,), float32."""
        with torch.no_grad():
            logits: npt.NDArray[np.float32] = self._decoder.step(torch.tensor([token]))[0].numpy()
        return logits


class Compared:
    """The accelerator beside the integer model, which sees the same tokens: every value of every tap is compared.

    Args:
        accelerator: at the start of a sequence.
        parameters: of its model.

    Attributes:
        values: how many were compared.
        mismatches: how many of them differ; ``first``: the first one.
        cycles, product_cycles: of each token; ``times``: when the last token's beats passed, by tap.
        seconds: of the simulation alone.
    """

    def __init__(self, accelerator: Accelerator, parameters: Parameters) -> None:
        self._accelerator, self._model = accelerator, IntegerMamba(parameters)
        self._taps, self._states = Taps(self._model), self._model.start(1)
        self.values = self.mismatches = 0
        self.first: Mismatch | None = None
        self.cycles: list[int] = []
        self.product_cycles: list[int] = []
        self.times: dict[str, Integers] = {}
        self.seconds = 0.0

    def step(self, token: int) -> npt.NDArray[Any]:
        """The accelerator's logits (vocabulary,), int64."""
        begun = time.perf_counter()
        stepped = self._accelerator.step(token)
        self.seconds += time.perf_counter() - begun
        self._model.forward(np.array([[token]]), self._states)
        comparison: Comparison = compare(len(self.cycles), self._taps.take(), stepped.tensors)
        self.values += comparison.values
        self.mismatches += comparison.mismatches
        self.first = self.first or comparison.first
        self.cycles.append(stepped.cycles)
        self.product_cycles.append(stepped.product_cycles)
        self.times = stepped.times
        return stepped.logits

    def figures(self) -> dict[str, Any]:
        """What was compared and measured, as JSON."""
        return {
            "values_compared": self.values,
            "mismatches": self.mismatches,
            "first_mismatch": None if self.first is None else str(self.first),
            "cycles_per_token": statistics.median(self.cycles),
            "busy": sum(self.product_cycles) / sum(self.cycles),
            "simulated_tokens_per_second": len(self.cycles) / self.seconds,
        }
