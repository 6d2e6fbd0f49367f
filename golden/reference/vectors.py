"""Test vectors: inputs that reach every decision of a quantizer, and the expected outputs."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.codes import to_bits
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.formats.tables import decode_table, tables
from qse_hw.golden.quantize import array
from qse_hw.golden.quantize.array import position_factor

RANDOM = 1 << 14  # patterns drawn for inputs of more than 16 bits


class Vectors(NamedTuple):
    """Input bit patterns (uint32), codes as bit patterns (uint16), decoded integers in fine steps (int32), flags."""

    input_bits: npt.NDArray[np.uint32]
    codes: npt.NDArray[np.uint16]
    decoded: npt.NDArray[np.int32]
    saturated: npt.NDArray[np.bool_]
    nan: npt.NDArray[np.bool_]


def encoder_vectors(format: SegmentedFormat, input: InputType, scale: Scale, *, seed: int = 0) -> Vectors:
    """Every pattern of inputs of up to 16 bits; of wider ones the patterns around each decision and random ones."""
    if input.width <= 16:
        bits = np.arange(1 << input.width, dtype=np.uint32)
    else:
        rng = np.random.default_rng(seed)
        drawn = rng.integers(0, 1 << input.width, RANDOM, dtype=np.uint64).astype(np.uint32)
        near = around_decisions(format, input, scale)
        bits = np.concatenate([near, drawn, rng.permutation(near)])
    return expected(bits, format, input, scale)


def expected(bits: npt.NDArray[np.unsignedinteger], format: SegmentedFormat, input: InputType, scale: Scale) -> Vectors:
    """The expected outputs of an encoder and a decoder for the input patterns ``bits``, any shape."""
    result = array.quantize_flags(from_patterns(bits, input), format, scale, exponent=input.exponent)
    codes = to_bits(result.codes, format).astype(np.uint16)
    return Vectors(
        bits.astype(np.uint32), codes, decode_table(format)[0].take(codes), result.saturated, result.nan
    )


def decoder_vectors(
    format: SegmentedFormat,
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Every code, its decoded integer (0 if it has none), and whether it is invalid."""
    values, assigned = decode_table(format)
    return np.arange(len(values), dtype=np.uint16), values, ~assigned


def from_patterns(bits: npt.NDArray[np.unsignedinteger], input: InputType) -> npt.NDArray[np.generic]:
    """The values of bit patterns, in the dtype of :mod:`qse_hw.golden.quantize.array`; bfloat16 widens to float32,
    which is exact.
    """
    bits = bits.astype(np.uint32)
    if input.name == "fp16":
        return bits.astype(np.uint16).view(np.float16)
    if input.name == "bf16":
        return (bits << 16).view(np.float32)
    if input.name == "fp32":
        return bits.view(np.float32)
    unused = 32 - input.width
    return (bits << np.uint32(unused)).view(np.int32) >> unused  # sign extension


def to_patterns(x: npt.NDArray[np.generic], input: InputType) -> npt.NDArray[np.uint32]:
    """Bit patterns of the ``input`` values nearest to float32 ``x`` (ties to even; fixed point saturates)."""
    x = np.ascontiguousarray(x, np.float32)
    if input.name == "fp32":
        return x.view(np.uint32)
    if input.name == "fp16":
        with np.errstate(over="ignore"):
            return x.astype(np.float16).view(np.uint16).astype(np.uint32)
    if input.name == "bf16":
        bits = x.view(np.uint32).astype(np.uint64)
        rounded = (bits + 0x7FFF + ((bits >> np.uint64(16)) & np.uint64(1))) >> np.uint64(16)
        quiet = (bits >> np.uint64(16)) | np.uint64(0x40)
        return np.where(np.isnan(x), quiet, rounded).astype(np.uint32)
    limit = 1 << (input.width - 1)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        integers = np.clip(np.rint(x.astype(np.float64) * 2.0**-input.exponent), -limit, limit - 1)
    unsigned: npt.NDArray[np.int64] = np.nan_to_num(integers).astype(np.int64) & ((1 << input.width) - 1)
    return unsigned.astype(np.uint32)


def around_decisions(format: SegmentedFormat, input: InputType, scale: Scale) -> npt.NDArray[np.uint32]:
    """Input patterns up to two steps on either side of every input at which code or flags change; specials, too."""
    table = tables(format)
    positions = np.arange(table.low - 2, table.high + 3)
    edges = positions / position_factor(format, scale, input.exponent)
    if input.is_float:
        center = to_patterns(edges.astype(np.float32), input).astype(np.int64)
        specials = _special_patterns(input)
    else:
        center = np.clip(np.rint(edges), -(2.0**40), 2.0**40).astype(np.int64)
        limit = 1 << (input.width - 1)
        specials = np.array([-limit, 1 - limit, -1, 0, 1, limit - 2, limit - 1])
        center = np.clip(center, 2 - limit, limit - 3)
    near = (center[:, None] + np.arange(-2, 3)).reshape(-1)
    patterns: npt.NDArray[np.int64] = np.unique(np.concatenate([near, specials])) & ((1 << input.width) - 1)
    return patterns.astype(np.uint32)


def _special_patterns(input: InputType) -> npt.NDArray[np.int64]:
    """Zeros, the ends of the subnormals and normals, infinities, NaNs; of both signs."""
    infinity = ((1 << input.exponent_bits) - 1) << input.fraction_bits
    smallest_normal = 1 << input.fraction_bits
    sign = 1 << (input.width - 1)
    positive = [0, 1, smallest_normal - 1, smallest_normal, infinity - 1, infinity, infinity + 1, sign - 1]
    return np.array([pattern | minus for pattern in positive for minus in (0, sign)])
