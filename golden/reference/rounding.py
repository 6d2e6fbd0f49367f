"""Shifts that round half up, and clamping to two's complement, of numbers and arrays."""

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def shift(value: int, k: int) -> int:
    """``value / 2**k``, half up."""
    return (value + (1 << k >> 1)) >> k


def shift_array(values: Integers, k: Integers | int) -> Integers:
    """:func:`shift` of each, k at most 63; with half of 2**k added, values must stay within int64."""
    places = np.asarray(k, np.int64)
    # 2**63, which would be halved, is not an int64
    half = np.where(places > 0, np.int64(1) << np.maximum(places - 1, 0), 0)
    shifted: Integers = (values + half) >> places
    return shifted


def clamp(value: int, bits: int) -> tuple[int, bool]:
    """The nearest value of ``bits`` bits, and whether it is another one."""
    clipped = min(max(value, -1 << (bits - 1)), (1 << (bits - 1)) - 1)
    return clipped, clipped != value


def clamp_array(values: Integers, bits: int) -> tuple[Integers, Flags]:
    """:func:`clamp` of each."""
    clipped = np.clip(values, -1 << (bits - 1), (1 << (bits - 1)) - 1)
    return clipped, clipped != values
