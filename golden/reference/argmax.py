"""Arg max of a token's logits: the largest integer, and where it is first."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


def argmax_scalar(values: Sequence[int]) -> tuple[int, int]:
    """The lowest index of the largest of a token's values, at least one; this value."""
    value = max(values)
    return values.index(value), value


def argmax(values: Integers) -> tuple[Integers, Integers]:
    """Indices and largest values (tokens,) of tokens (tokens, size); equal to :func:`argmax_scalar`."""
    return values.argmax(axis=1), values.max(axis=1)
