"""Beats as bytes: lane 0 in the low bits, little-endian, the last byte padded with zeros."""

from typing import Any

import numpy as np
import numpy.typing as npt


def beat_bytes(width: int, lanes: int) -> int:
    """Bytes of a beat of ``lanes`` lanes of ``width`` bits."""
    return -(-width * lanes // 8)


def pack(lanes: npt.NDArray[Any], width: int) -> npt.NDArray[np.uint8]:
    """(beats, lanes) integers, taken modulo ``2**width``, to (beats, bytes)."""
    beats, count = lanes.shape
    if width in (8, 16, 32):
        return np.ascontiguousarray(lanes.astype(f"<u{width // 8}")).view(np.uint8).reshape(beats, count * width // 8)
    wide = np.ascontiguousarray(lanes.astype("<u4")).view(np.uint8).reshape(beats, count, 4)
    bits = np.unpackbits(wide, axis=2, count=width, bitorder="little")
    return np.packbits(bits.reshape(beats, count * width), axis=1, bitorder="little")


def unpack(packed: npt.NDArray[np.uint8], width: int, lanes: int) -> npt.NDArray[np.uint32]:
    """The inverse of :func:`pack`, unsigned."""
    beats = len(packed)
    if width in (8, 16, 32):
        return np.ascontiguousarray(packed).view(f"<u{width // 8}").reshape(beats, lanes).astype(np.uint32)
    bits = np.unpackbits(packed, axis=1, count=width * lanes, bitorder="little").reshape(beats, lanes, width)
    wide = np.packbits(bits, axis=2, bitorder="little")
    full = np.zeros((beats, lanes, 4), np.uint8)
    full[:, :, : wide.shape[2]] = wide
    return full.view("<u4").reshape(beats, lanes).astype(np.uint32)


def signed(values: npt.NDArray[Any], width: int) -> npt.NDArray[np.int64]:
    """Bit patterns of ``width`` bits as two's complement integers."""
    integers: npt.NDArray[np.int64] = values.astype(np.int64)
    return integers - (integers >> (width - 1) << width)


def split_mark(packed: npt.NDArray[np.uint8], bits: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Beats (beats, bytes) of ``bits`` bits without the mark above these; the marks (beats,)."""
    rows = np.unpackbits(packed, axis=1, count=bits + 1, bitorder="little")
    return np.packbits(rows[:, :-1], axis=1, bitorder="little"), rows[:, -1].astype(np.bool_)


def field_above(packed: npt.NDArray[np.uint8], low: int, bits: int) -> npt.NDArray[np.int64]:
    """The field (beats,) of ``bits`` bits, maybe none, above the ``low`` low bits of beats (beats, bytes)."""
    rows = np.unpackbits(packed, axis=1, count=low + bits, bitorder="little")[:, low:]
    field: npt.NDArray[np.int64] = rows.astype(np.int64) @ (1 << np.arange(bits))
    return field
