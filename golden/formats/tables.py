"""The tables through which arrays are quantized: from a clamped position to a code, and from a code to a value.

The rules are those of :mod:`qse_hw.golden.formats.scalar`, on all positions at once (calibration makes thousands of
tables).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.codes import code_dtype
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat


@dataclass(frozen=True)
class Tables:
    """Row n is for the address ``first + n``, the signed position t.

    ``low <= t <= high``; beyond, everything saturates. With ``sticky`` the address is ``2*t + sign(v - t)``, v the
    position before truncation.
    """

    low: int
    high: int
    first: int
    sticky: bool
    codes: npt.NDArray[np.integer]
    saturated: npt.NDArray[np.bool_]


@lru_cache(maxsize=64)
def tables(format: SegmentedFormat) -> Tables:
    """The tables of ``format``."""
    sticky = any(segment.exact_end for segment in format.segments)
    high = 2 * format.ends[-1] + (1 << format.shifts[0]) + 1  # one more than where two's complement saturates
    low = -high if format.signed else -(2 * format.zero_point + (1 << format.shifts[0]) + 1)
    first, last = (2 * low - 1, 2 * high + 1) if sticky else (low, high)
    addresses = np.arange(first, last + 1)
    magnitudes = np.abs(addresses) if format.signed else addresses
    positions, truncated = np.divmod(magnitudes, 2) if sticky else (magnitudes, np.zeros_like(magnitudes))
    indices, saturated = _indices(positions, truncated, addresses < 0, format)
    codes = _codes(indices, addresses < 0, format)
    return Tables(low=low, high=high, first=first, sticky=sticky, codes=codes, saturated=saturated)


def _indices(
    T: npt.NDArray[np.int64], truncated: npt.NDArray[np.int64], negative: npt.NDArray[np.bool_], format: SegmentedFormat
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Rank on the axis and saturation of positions: :func:`qse_hw.golden.formats.scalar.quantize_position` on
    arrays.
    """
    below = np.zeros(T.shape, np.bool_)
    if not format.signed:
        T = T + 2 * format.zero_point
        below = T + (1 << format.shifts[0]) < 0
        T = np.maximum(T, 0)
    limits = np.where(negative, format.last_index(negative=True), format.last_index())
    # beyond the last segment; two's complement has one more negative value there
    indices = (T + 1) >> 1 if format.kind == "twos-complement" else limits + 1
    segments = zip(
        format.segments, format.first_indices, format.starts, format.ends, format.shifts, strict=True
    )
    for segment, first, start, end, e in reversed(list(segments)):  # the first segment that holds T wins
        inside = T + truncated <= 2 * (end - (1 << e)) if segment.exact_end else T + (1 << e) < 2 * end
        indices = np.where(inside, first + np.maximum(0, (T + (1 << e) - 2 * start) >> (e + 1)), indices)
    saturated = (indices > limits) | below
    return np.minimum(indices, limits), saturated


def _codes(
    indices: npt.NDArray[np.int64], negative: npt.NDArray[np.bool_], format: SegmentedFormat
) -> npt.NDArray[np.integer]:
    if format.kind == "twos-complement":
        return np.where(negative, -indices, indices).astype(code_dtype(format))
    codes = np.array(format.axis_codes)[indices]
    if format.signed:
        codes |= np.where(negative & (indices > 0), 1 << (format.bits - 1), 0)
    return codes.astype(code_dtype(format))


@lru_cache(maxsize=64)
def decode_table(format: SegmentedFormat) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Row = code as a bit pattern: the value in fine steps (int32), and whether the format assigns the code."""
    values = np.zeros(1 << format.bits, np.int32)
    assigned = np.zeros(1 << format.bits, np.bool_)
    for code, value in format.decoded.items():
        values[code], assigned[code] = value, True
    return values, assigned


@lru_cache(maxsize=64)
def segment_table(format: SegmentedFormat) -> npt.NDArray[np.int64]:
    """Row = code as a bit pattern: the number of its segment; 0 where encoders emit no such code."""
    numbers = np.zeros(1 << format.bits, np.int64)
    for number, segment in enumerate(format.segments):
        for sign in (0, 1 << (format.bits - 1)) if format.kind == "sign-magnitude" else (0,):
            numbers[segment.first_code | sign : (segment.first_code | sign) + segment.codes] = number
    return numbers


@lru_cache(maxsize=64)
def value_table(format: SegmentedFormat, scale: Scale) -> npt.NDArray[np.float32]:
    """Row = code as a bit pattern: the decoded value times s, rounded once to the nearest float32, ties to even.

    The two roundings here, to float64 and to float32, are one: a quotient of an integer below 2**16 and an M below
    2**20 is either a float32 tie exactly or differs from one by more than float64's half ulp.
    """
    quotients = decode_table(format)[0] / float(scale.M)
    return np.ldexp(quotients, scale.k - format.fraction_bits).astype(np.float32)
