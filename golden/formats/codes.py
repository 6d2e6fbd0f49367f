"""Codes as arrays: their dtype, and codes to bit patterns and back."""

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.segmented import SegmentedFormat


def code_dtype(format: SegmentedFormat) -> np.dtype[np.integer]:
    """int8 / int16 for two's complement, else uint8 / uint16: the dtype of arrays of codes."""
    size = "1" if format.bits <= 8 else "2"
    return np.dtype(("i" if format.kind == "twos-complement" else "u") + size)


def to_bits(codes: npt.NDArray[np.integer], format: SegmentedFormat) -> npt.NDArray[np.unsignedinteger]:
    """Codes as bit patterns of ``format.bits`` bits, unsigned (what hardware sees)."""
    unsigned: npt.NDArray[np.unsignedinteger] = codes.view(f"u{codes.dtype.itemsize}")
    masked: npt.NDArray[np.unsignedinteger] = unsigned & unsigned.dtype.type((1 << format.bits) - 1)
    return masked


def from_bits(bits: npt.NDArray[np.integer], format: SegmentedFormat) -> npt.NDArray[np.integer]:
    """The inverse of :func:`to_bits`: sign-extends two's complement codes."""
    dtype = code_dtype(format)
    if dtype.kind == "i":
        half = 1 << (format.bits - 1)
        return ((bits.astype(np.int32) ^ half) - half).astype(dtype)
    return bits.astype(dtype)
