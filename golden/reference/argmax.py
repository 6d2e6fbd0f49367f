"""Arg max of a token's logits: the largest integer, and where it is first."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


class Largest(NamedTuple):
    """The largest value, and the lowest index that has it."""

    index: int
    value: int


def argmax_scalar(values: Sequence[int]) -> Largest:
    """Of one token; ``values``: at least one."""
    value = max(values)
    return Largest(values.index(value), value)


def argmax(values: Integers) -> tuple[Integers, Integers]:
    """Indices and largest values (tokens,) of tokens (tokens, size); equal to :func:`argmax_scalar`."""
    return values.argmax(axis=1), values.max(axis=1)
