"""The accelerator beside the integer model, value by value."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qse_hw.golden.models.integer.taps import Tensor

Integers = npt.NDArray[np.int64]

ORDER = (
    "residual", "norm", "conv_input", "gate", "conv_sum", "x", "dt_low", "B", "C", "dt", "state", "scan", "gated", "y",
    "out", "norm_f", "logits",
)  # fmt: skip
"""Tensors in the order of the data flow; a layer's residual stream is the one after it."""


@dataclass(frozen=True)
class Mismatch:
    """The first value that differs. ``layer``: None outside the layers."""

    token: int
    layer: int | None
    tensor: str
    index: int
    expected: int | None
    actual: int | None

    def __str__(self) -> str:
        where = "" if self.layer is None else f"layer {self.layer}, "
        return (
            f"token {self.token}, {where}{self.tensor}[{self.index}]: {self.actual}, not {self.expected}, which the "
            "integer model has"
        )


@dataclass(frozen=True)
class Comparison:
    """How many values were compared and how many of them differ; the first one that does."""

    values: int
    mismatches: int
    first: Mismatch | None


def compare(token: int, expected: dict[Tensor, Integers], actual: dict[Tensor, Integers]) -> Comparison:
    """Compare a token's tensors.

    Args:
        token: its number in the sequence.
        expected: the integer model's; may have more tensors.
        actual: the accelerator's.
    """
    values = mismatches = 0
    first: Mismatch | None = None
    for layer, name in sorted(actual, key=_flow):
        right, seen = expected[layer, name], actual[layer, name]
        both = min(len(right), len(seen))
        values += max(len(right), len(seen))
        differ = np.flatnonzero(right[:both] != seen[:both]).tolist()
        differ += range(both, max(len(right), len(seen)))  # too many or too few
        mismatches += len(differ)
        if differ and first is None:
            at = differ[0]
            pair = (int(part[at]) if at < len(part) else None for part in (right, seen))
            first = Mismatch(token, layer, name, at, *pair)
    return Comparison(values, mismatches, first)


def _flow(tensor: Tensor) -> tuple[int, int]:
    layer, name = tensor
    position = len(ORDER) if name == "residual" and layer is not None else ORDER.index(name)
    if layer is None:
        return (-1 if name == "residual" else 1 << 30), position
    return layer, position
