"""The quantizer on a CPU at the speed of its memory: C++ (cpu_kernels.cpp), compiled once per machine in two seconds.

The functions are those of :mod:`qse_hw.golden.quantize.tensor`, for tensors on the CPU.
"""

import ctypes
import math
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.codes import code_dtype, from_bits
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.formats.tables import decode_table, segment_table, tables, value_table
from qse_hw.golden.io.compiler import LIBRARY, load_library
from qse_hw.golden.quantize import array
from qse_hw.golden.quantize.tensor import torch_code_dtype

SOURCE = Path(__file__).with_name("cpu_kernels.cpp")
FLAGS = (
    "-O3", "-march=native", "-std=c++17", "-fno-math-errno", "-fno-trapping-math", "-fwrapv",
    "-ffp-contract=off",  # no fma but those that are written
    *LIBRARY, "-pthread",
)  # fmt: skip
INPUTS = (torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int8, torch.int16, torch.int32)


def available() -> bool:
    """Whether there is a compiler and it built the library."""
    return isinstance(_library(), ctypes.CDLL)


def quantize(x: Tensor, format: SegmentedFormat, scale: Scale, *, exponent: int = 0) -> Tensor:
    """Codes of ``x``, as :func:`qse_hw.golden.quantize.tensor.quantize`."""
    dtype = torch_code_dtype(format)
    return _look_up(x, format, scale, tables(format).codes, torch.empty(x.shape, dtype=dtype), exponent)


def fake_quantize(x: Tensor, format: SegmentedFormat, scale: Scale, *, nan_to_zero: bool = False) -> Tensor:
    """Decoded values of the codes of ``x``, as :func:`qse_hw.golden.quantize.tensor.fake_quantize`."""
    rows = _decoded(format, scale, x.dtype)
    return _look_up(x, format, scale, rows, torch.empty(x.shape, dtype=x.dtype), nan_row=not nan_to_zero)


def quantize_histogram(x: Tensor, format: SegmentedFormat, scale: Scale) -> tuple[Tensor, Tensor]:
    """Codes and counts, as :func:`qse_hw.golden.quantize.tensor.quantize_histogram`."""
    codes = quantize(x, format, scale)
    beyond = _look_up(x, format, scale, tables(format).saturated, torch.empty(x.shape, dtype=torch.bool))
    by_code = np.zeros(1 << 8 * codes.itemsize, np.int64)
    _lib().qse_count(
        ctypes.c_void_p(codes.data_ptr()), codes.itemsize, ctypes.c_int64(codes.numel()),
        ctypes.c_void_p(by_code.ctypes.data), ctypes.c_int64(torch.get_num_threads()),
    )  # fmt: skip
    by_pattern = by_code.reshape(-1, 1 << format.bits).sum(0)  # a signed code's upper bits are its sign
    by_segment = torch.zeros(len(format.segments), dtype=torch.int64)
    by_segment.index_add_(0, torch.from_numpy(segment_table(format)), torch.from_numpy(by_pattern))
    return codes, torch.cat((by_segment, torch.stack([beyond.count_nonzero(), _supported(x).isnan().count_nonzero()])))


def dequantize(
    codes: Tensor, format: SegmentedFormat, scale: Scale, *, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Decoded values, as :func:`qse_hw.golden.quantize.tensor.dequantize`."""
    flat = codes.contiguous()
    values, assigned = _values(format, scale, dtype)
    decoded = torch.empty(codes.shape, dtype=dtype)
    bad: int = _lib().qse_decode(
        ctypes.c_void_p(flat.data_ptr()), flat.itemsize, ctypes.c_int64(flat.numel()),
        ctypes.c_void_p(values.data_ptr()), ctypes.c_void_p(assigned.ctypes.data), decoded.itemsize,
        ctypes.c_void_p(decoded.data_ptr()), ctypes.c_int64(torch.get_num_threads()),
    )  # fmt: skip
    if bad < flat.numel():
        code = int(flat.view(-1)[bad])
        raise InputError(f"Codes must be ones that format {format.name} assigns, not {code}")
    return decoded


def linear(codes: Tensor, weight: Tensor, format: SegmentedFormat) -> Tensor:
    """Sums of decoded integers times weights, as :func:`qse_hw.golden.quantize.tensor.linear`."""
    rows = codes.long() & ((1 << format.bits) - 1)
    integers = torch.from_numpy(decode_table(format)[0].astype(np.int16))[rows]  # a format reaches 2**15 at most
    by = weight.contiguous()
    sums = torch.empty((*codes.shape[:-1], len(by)), dtype=torch.int32)
    _lib().qse_linear(
        ctypes.c_void_p(integers.data_ptr()), ctypes.c_int64(sums.numel() // max(1, len(by))),
        ctypes.c_void_p(by.data_ptr()), ctypes.c_int64(by.shape[1]), ctypes.c_int64(len(by)),
        ctypes.c_void_p(sums.data_ptr()), ctypes.c_int64(torch.get_num_threads()),
    )  # fmt: skip
    return sums


def _look_up(
    x: Tensor,
    format: SegmentedFormat,
    scale: Scale,
    rows: Any,
    out: Tensor,
    exponent: int = 0,
    *,
    nan_row: bool = False,
) -> Tensor:
    """Fill ``out`` with the entry of ``rows`` (contiguous, of the same item size) for each value of ``x``.

    NaN has the row of 0, or with ``nan_row`` the row after those of the positions.
    """
    flat, table = _supported(x).contiguous(), tables(format)
    address = rows.data_ptr() if isinstance(rows, Tensor) else rows.ctypes.data
    _lib().qse_look_up(
        ctypes.c_void_p(flat.data_ptr()), ctypes.c_int64(flat.numel()), INPUTS.index(flat.dtype),
        int(format.signed) + 2 * int(table.sticky), ctypes.c_double(array.position_factor(format, scale, exponent)),
        ctypes.c_double(table.low), ctypes.c_double(table.high),
        ctypes.c_double(table.high + 1 if nan_row else 0), ctypes.c_int64(table.first),
        ctypes.c_void_p(address), out.itemsize, ctypes.c_void_p(out.data_ptr()),
        ctypes.c_int64(torch.get_num_threads()),
    )  # fmt: skip
    return out


def _supported(x: Tensor) -> Tensor:
    x = x.detach().resolve_neg()
    return x if x.dtype in INPUTS else x.to(torch.float32)  # float8: exact


@lru_cache(maxsize=64)
def _values(format: SegmentedFormat, scale: Scale, dtype: torch.dtype) -> tuple[Tensor, Any]:
    """Row = any bit pattern of a code: the decoded value, and whether the format assigns the code."""
    width = code_dtype(format)
    patterns = np.arange(1 << 8 * width.itemsize).astype(f"u{width.itemsize}")
    rows = patterns & ((1 << format.bits) - 1)
    signed = patterns.view("i2" if width.itemsize == 2 else width)  # PyTorch's codes of 16 bits are signed
    assigned = decode_table(format)[1][rows] & (from_bits(rows, format).astype(np.int64) == signed)
    return torch.from_numpy(value_table(format, scale)[rows]).to(dtype), np.ascontiguousarray(assigned)


@lru_cache(maxsize=64)
def _decoded(format: SegmentedFormat, scale: Scale, dtype: torch.dtype) -> Tensor:
    """Row = position: the decoded value of its code; one more row: NaN."""
    rows = tables(format).codes.astype(np.int64) & ((1 << format.bits) - 1)
    values = torch.from_numpy(np.append(value_table(format, scale)[rows], np.float32(0))).to(dtype)
    values[-1] = math.nan  # as converting NaN to bfloat16 gives varying bits
    return values


def _lib() -> ctypes.CDLL:
    library = _library()
    if isinstance(library, str):
        raise InputError(library)
    return library


@cache
def _library() -> ctypes.CDLL | str:
    """The compiled functions, or why there are none: no compiler, one that does not know these flags, a full disk."""
    try:
        library = load_library(SOURCE, FLAGS)
    except (InputError, OSError, RuntimeError) as error:
        return str(error)
    library.qse_decode.restype = ctypes.c_int64
    return library
