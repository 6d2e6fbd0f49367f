"""Words of several fields, as memories and streams have them: fields from the low bits on, bytes little-endian."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


def join_fields(fields: Sequence[tuple[Integers, int]]) -> npt.NDArray[np.uint8]:
    """Words (n, bytes) of fields: values (n,) and the bits of each, negative values in two's complement."""
    bits = [(values[:, None] >> np.arange(size)) & 1 for values, size in fields]
    return np.packbits(np.concatenate(bits, axis=1).astype(np.uint8), axis=1, bitorder="little")


def split_fields(words: npt.NDArray[np.uint8], sizes: Sequence[int]) -> list[Integers]:
    """The fields (n,) of words (n, bytes), unsigned, by the bits of each."""
    bits = np.unpackbits(words, axis=1, count=sum(sizes), bitorder="little").astype(np.int64)
    parts = np.split(bits, np.cumsum(sizes)[:-1], axis=1)
    return [part @ (1 << np.arange(part.shape[1])) for part in parts]


def as_signed(values: Integers, bits: int) -> Integers:
    """Fields of ``bits`` bits as two's complement."""
    return values - (values >> (bits - 1) << bits)
