"""The quantizer on PyTorch tensors in plain operations, any device, equal to :mod:`qse_hw.golden.formats.scalar` on
every bit.

The arithmetic is that of :mod:`qse_hw.golden.quantize.array`: one exact float64 product, then a table. The device must
support float64. Models use :mod:`qse_hw.golden.quantize.operators`, which is faster and gives the same values.
"""

import math
from functools import lru_cache

import numpy as np
import torch

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.codes import code_dtype
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.formats.tables import Tables, decode_table, segment_table, tables, value_table
from qse_hw.golden.quantize.array import check_dtype, check_float_dtype, position_factor, undo_rounding

# Values at a time on a CPU: they stay in its cache, and PyTorch does not divide so little work among threads, whose
# synchronization would cost more than they save. An accelerator takes everything at once.
_BLOCK = 1 << 15

_BITS = {  # integers as wide
    torch.float16: torch.int16, torch.bfloat16: torch.int16, torch.float32: torch.int32, torch.float64: torch.int64,
}  # fmt: skip


def quantize(x: torch.Tensor, format: SegmentedFormat, scale: Scale, *, exponent: int = 0) -> torch.Tensor:
    """Codes of ``x``, any shape, on x's device.

    Args:
        x: any floating dtype (NaN gives the zero code); or int8, int16, int32 as fixed point ``x * 2**exponent``.
        format: the format.
        scale: the scale.
        exponent: the implied exponent of integer inputs.

    Returns:
        int8 for two's complement formats, else uint8; int16 for formats of more than 8 bits (PyTorch has few
        operations on uint16).

    Raises:
        InputError: for another dtype.
    """
    if str(x.dtype).startswith("torch.float8_"):
        x = x.to(torch.float32)  # exact
    check_dtype(name_of(x.dtype), exponent)
    return _looked_up(x, _on_device(format, x.device), position_factor(format, scale, exponent), format)


def dequantize(
    codes: torch.Tensor, format: SegmentedFormat, scale: Scale, *, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Decoded values, of the shape and on the device of ``codes`` (dtype as :func:`quantize` returns).

    Args:
        codes: any shape.
        format: the format.
        scale: the scale.
        dtype: float32, float16, bfloat16 or float64, to which the values, rounded once to float32, are converted.

    Raises:
        InputError: for another dtype, or a code that the format does not assign.
    """
    check_float_dtype(name_of(dtype))
    if codes.dtype != torch_code_dtype(format):
        raise InputError(f"Codes of format {format.name} must have dtype {torch_code_dtype(format)}, not {codes.dtype}")
    low = -1 << (format.bits - 1) if format.kind == "twos-complement" else 0
    rows = codes.to(torch.int64)
    outside = (rows < low) | (rows >= low + (1 << format.bits))
    rows = rows & ((1 << format.bits) - 1)
    bad = outside | ~torch.from_numpy(decode_table(format)[1]).to(codes.device)[rows]
    if bool(bad.any()):
        raise InputError(f"Codes must be ones that format {format.name} assigns, not {int(codes[bad][0])}")
    return torch.from_numpy(value_table(format, scale)).to(codes.device)[rows].to(dtype)


def fake_quantize(
    x: torch.Tensor, format: SegmentedFormat, scale: Scale, *, nan_to_zero: bool = False
) -> torch.Tensor:
    """Every value replaced by the decoded value of its code: float32, converted to the dtype of ``x``.

    NaN stays NaN (with the bit pattern of ``math.nan``), or becomes 0.

    Raises:
        InputError: unless ``x`` is float32, float16, bfloat16 or float64.
    """
    check_float_dtype(name_of(x.dtype))
    values = dequantize(quantize(x, format, scale), format, scale, dtype=x.dtype)
    return values if nan_to_zero else values.masked_fill_(x.detach().isnan(), math.nan)


def quantize_histogram(
    x: torch.Tensor, format: SegmentedFormat, scale: Scale
) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes, and int64 counts (segments + 2,): values with a code in each segment, saturated ones, NaN."""
    codes = quantize(x, format, scale)
    patterns = codes.long() & ((1 << format.bits) - 1)
    numbers = torch.from_numpy(segment_table(format)).to(x.device)[patterns].flatten()
    saturated = torch.from_numpy(tables(format).saturated).to(x.device)
    wide = x.float() if x.dtype.itemsize == 1 else x
    extra = [_looked_up(wide, saturated, position_factor(format, scale), format).sum(), wide.isnan().sum()]
    return codes, torch.cat((torch.bincount(numbers, minlength=len(format.segments)), torch.stack(extra)))


def linear(codes: torch.Tensor, weight: torch.Tensor, format: SegmentedFormat) -> torch.Tensor:
    """int32 (..., out): codes (..., in), decoded to integers in fine steps, times int8 weights (out, in)."""
    integers = torch.from_numpy(decode_table(format)[0]).to(codes.device)[codes.long() & ((1 << format.bits) - 1)]
    return torch.nn.functional.linear(integers.double(), weight.double()).to(torch.int32)


def _looked_up(x: torch.Tensor, rows: torch.Tensor, factor: float, format: SegmentedFormat) -> torch.Tensor:
    """The entry of ``rows`` at the position of each value of ``x``."""
    table = tables(format)
    flat = x.detach().resolve_neg().contiguous().reshape(-1)
    entries = torch.empty(flat.shape, dtype=rows.dtype, device=x.device)
    step = _BLOCK if x.device.type == "cpu" else max(1, flat.numel())
    for begin in range(0, flat.numel(), step):
        part = flat[begin : begin + step]
        entries[begin : begin + step] = rows.index_select(0, _addresses(part, factor, format, table))
    return entries.reshape(x.shape)


def _addresses(x: torch.Tensor, factor: float, format: SegmentedFormat, table: Tables) -> torch.Tensor:
    """Table rows of ``x`` (flat), int64."""
    v = x.to(torch.float64, copy=True).mul_(factor).clamp_(table.low, table.high)  # never in a float64 x itself
    if table.sticky and not format.signed and x.dtype in _BITS:  # as qse_hw.golden.quantize.array.undo_flush_to_zero
        bits = x.view(_BITS[x.dtype])
        v = torch.where((v == 0) & (bits << 1 != 0), torch.where(bits < 0, -0.5, 0.5).double(), v)
    v.nan_to_num_()  # to 0, the zero code's position
    if x.dtype == torch.float64:
        host = v.cpu().numpy()
        undo_rounding(x.cpu().numpy(), host, factor, table)
        v = torch.from_numpy(host).to(x.device)
    t = v.floor() if not format.signed else v.trunc() if table.sticky else v  # the conversion truncates, too
    addresses = t.to(torch.int64)
    if table.sticky:
        addresses = 2 * addresses + torch.sign(v - t).to(torch.int64)
    return addresses.sub_(table.first)


def name_of(dtype: torch.dtype) -> str:
    """The dtype's name, as in NumPy."""
    return str(dtype).removeprefix("torch.")


def torch_code_dtype(format: SegmentedFormat) -> torch.dtype:
    """The dtype of tensors of codes."""
    return {"int8": torch.int8, "uint8": torch.uint8}.get(code_dtype(format).name, torch.int16)


@lru_cache(maxsize=64)
def _on_device(format: SegmentedFormat, device: torch.device) -> torch.Tensor:
    codes = tables(format).codes
    return torch.from_numpy(codes if codes.itemsize == 1 else codes.astype(np.int16)).to(device)
