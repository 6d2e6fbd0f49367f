"""The values of every tensor of an integer model, token by token: what hardware is compared with."""

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.scalar import ScalarMamba

Integers = npt.NDArray[np.int64]
Tensor = tuple[int | None, str]
"""Layer, None outside the layers, and name."""


class Taps:
    """Collects the values of all tensors that are rounded or saturated in a model, from now on.

    Args:
        model: of either kind; an array model must be given one sequence, token by token.
    """

    def __init__(self, model: IntegerMamba | ScalarMamba) -> None:
        self._values: defaultdict[Tensor, list[Integers]] = defaultdict(list)
        for arithmetic in (*model.mixers, model._ends):
            arithmetic.tap = self._see

    def _see(self, layer: int | None, name: str, values: Any) -> None:
        self._values[layer, name].append(np.ravel(values).astype(np.int64))  # a copy: the model may go on in place

    def take(self) -> dict[Tensor, Integers]:
        """The values (values,) since the last call, int64, by tensor."""
        taken = {tensor: np.concatenate(parts) for tensor, parts in self._values.items()}
        self._values.clear()
        return taken
