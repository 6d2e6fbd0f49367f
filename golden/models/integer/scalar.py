"""The integer model in Python integers, one token at a time: the readable reference.

:mod:`qse_hw.golden.models.integer.model` is bit-exact with it. Sizes: ``d_model`` m.
"""

from qse_hw.golden.models.integer.mamba1.scalar import Mamba1Scalar
from qse_hw.golden.models.integer.mamba2.parameters import Mamba2Layer
from qse_hw.golden.models.integer.mamba2.scalar import Mamba2Scalar
from qse_hw.golden.models.integer.parameters import Parameters
from qse_hw.golden.models.integer.scalar_arithmetic import Numbers, Saturated, ScalarArithmetic, shift


class ScalarMamba:
    """The state of one sequence, updated token by token.

    Args:
        model: the model's integers.

    Attributes:
        saturated: how often each tensor's values saturated.
        mixers: first to last, each with its state.
    """

    def __init__(self, model: Parameters) -> None:
        self.model, self.saturated = model, Saturated()
        residual = model.formats.residual
        self.mixers = [
            Mamba2Scalar(number, layer, residual, self.saturated)
            if isinstance(layer, Mamba2Layer)
            else Mamba1Scalar(number, layer, residual, self.saturated)
            for number, layer in enumerate(model.layers)
        ]
        self._ends = ScalarArithmetic(None, self.saturated)

    def step(self, token: int) -> Numbers:
        """Logits (vocab_size) after one more token."""
        model, ends, high = self.model, self._ends, self.model.formats.residual.high
        M, k = int(model.embedding.by.M[token]), int(model.embedding.by.k[token])
        row = model.embedding.weights[token].tolist()
        residual = [ends.saturate("residual", shift(code * M, k), high) for code in row]
        for mixer in self.mixers:
            added = mixer.step(residual)
            residual = [mixer.saturate("residual", old + new, high) for old, new in zip(residual, added, strict=True)]
        hidden = ends.normalize("norm_f", model.norm_f, residual, model.formats.norm_f)
        return ends.product("logits", model.head, hidden, model.formats.logits)
