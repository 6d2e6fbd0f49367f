"""The quantizer on a GPU: Triton kernels and their launches. The functions are those of
:mod:`qse_hw.golden.quantize.tensor`.

A device needs float64 only for float64 and int32 inputs. Without a GPU the kernels run in Triton's interpreter
(``TRITON_INTERPRET=1``, set before this is imported), on tensors in the CPU's memory: slow, and the same bits.
"""

import struct
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from math import frexp

import numpy as np
import torch
import triton
from torch import Tensor

from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.quantize.array import position_factor
from qse_hw.golden.quantize.tensor import torch_code_dtype
from qse_hw.golden.quantize.triton.elementwise import dequantize_kernel, fake_quantize_kernel, quantize_kernel
from qse_hw.golden.quantize.triton.layout import decoding, encoding
from qse_hw.golden.quantize.triton.products import gemm_kernel, gemv_kernel

BLOCK = 4096
LAUNCH = {"num_warps": 8, "enable_fp_fusion": False}  # 16 values per thread; no fma but those that are written
FEW_ROWS = 16  # with at most so many rows the products are bound by reading the weight
MANY_OUTPUTS, GEMV_TILE = 1024, 4096  # with fewer outputs, more programs share the work, so that the whole GPU reads

_SIGNIFICANDS = {torch.float32: 24, torch.float16: 11, torch.bfloat16: 8, torch.int8: 8, torch.int16: 16}
_WIDE = (torch.float64, torch.int32)  # more digits than float32 has


def quantize(x: Tensor, format: SegmentedFormat, scale: Scale, *, exponent: int = 0) -> Tensor:
    """Codes of ``x``, as :func:`qse_hw.golden.quantize.tensor.quantize`."""
    return _quantize(x, format, scale, exponent, None)


def quantize_histogram(x: Tensor, format: SegmentedFormat, scale: Scale) -> tuple[Tensor, Tensor]:
    """Codes and counts, as :func:`qse_hw.golden.quantize.tensor.quantize_histogram`."""
    counts = torch.zeros(len(format.segments) + 2, dtype=torch.int64, device=x.device)
    return _quantize(x, format, scale, 0, counts), counts


def fake_quantize(x: Tensor, format: SegmentedFormat, scale: Scale, *, nan_to_zero: bool = False) -> Tensor:
    """Decoded values of the codes of ``x``, as :func:`qse_hw.golden.quantize.tensor.fake_quantize`."""
    flat = x.detach().contiguous()
    values = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    factor, wide, exact = _product(flat.dtype, format, scale, 0)
    with _on(x):
        fake_quantize_kernel[_blocks(flat)](
            flat, values, flat.numel(), factor, *_divisor(format, scale),
            WIDE=wide, PRODUCT_EXACT=exact, E=encoding(format), D=decoding(format), KEEP_NAN=not nan_to_zero,
            BLOCK=BLOCK, **LAUNCH,
        )  # fmt: skip
    return values


def dequantize(
    codes: Tensor, format: SegmentedFormat, scale: Scale, *, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Decoded values, as :func:`qse_hw.golden.quantize.tensor.dequantize`, but 0 for codes that the format does not
    assign.
    """
    flat = codes.contiguous()
    values = torch.empty(codes.shape, dtype=dtype, device=codes.device)
    with _on(codes):
        dequantize_kernel[_blocks(flat)](
            flat, values, flat.numel(), *_divisor(format, scale), D=decoding(format), BLOCK=BLOCK, **LAUNCH
        )
    return values


def linear(codes: Tensor, weight: Tensor, format: SegmentedFormat) -> Tensor:
    """Sums of decoded integers times weights, as :func:`qse_hw.golden.quantize.tensor.linear`."""
    flat, by = codes.contiguous().view(-1, weight.shape[1]), weight.contiguous()
    rows, (outputs, inputs) = len(flat), weight.shape
    sums = torch.empty((*codes.shape[:-1], outputs), dtype=torch.int32, device=codes.device)
    with _on(codes):
        if rows <= FEW_ROWS:
            at_once = 8 if outputs > MANY_OUTPUTS else 2
            gemv_kernel[(triton.cdiv(outputs, at_once), rows)](
                flat, by, sums, inputs, outputs,
                D=decoding(format), BLOCK_OUT=at_once, BLOCK_IN=GEMV_TILE // at_once, num_warps=4,
            )  # fmt: skip
        else:
            grid = (triton.cdiv(rows, 64), triton.cdiv(outputs, 64))
            gemm_kernel[grid](
                flat, by, sums, rows, inputs, outputs,
                D=decoding(format), BLOCK_ROWS=64, BLOCK_OUT=64, BLOCK_IN=64, num_warps=4,
            )  # fmt: skip
    return sums


def _quantize(
    x: Tensor, format: SegmentedFormat, scale: Scale, exponent: int, counts: Tensor | None
) -> Tensor:
    flat = x.detach().contiguous()
    flat = flat.float() if flat.dtype.is_floating_point and flat.itemsize == 1 else flat  # float8: exact
    codes = torch.empty(x.shape, dtype=torch_code_dtype(format), device=x.device)
    factor, wide, exact = _product(flat.dtype, format, scale, exponent)
    with _on(x):
        quantize_kernel[_blocks(flat)](
            flat, codes, codes if counts is None else counts, flat.numel(), factor,
            WIDE=wide, PRODUCT_EXACT=exact, E=encoding(format), COUNT=counts is not None, BLOCK=BLOCK, **LAUNCH,
        )  # fmt: skip
    return codes


def _blocks(flat: Tensor) -> tuple[int]:
    return (max(1, triton.cdiv(flat.numel(), BLOCK)),)  # launching no programs is an error


def _product(dtype: torch.dtype, format: SegmentedFormat, scale: Scale, exponent: int) -> tuple[int, bool, bool]:
    """The factor as the bits of a float64; whether float64 is needed; whether its digits times a value's fit.

    A product whose digits fit is exact unless it underflows or overflows.
    """
    factor = position_factor(format, scale, exponent)
    wide = dtype in _WIDE or not -126 <= frexp(factor)[1] - 1 <= 127
    digits = 53 if wide else 24
    significand = 64 if dtype == torch.float64 else _SIGNIFICANDS.get(dtype, 32)
    odd = scale.M // (scale.M & -scale.M)
    return _bits(factor), wide, significand + odd.bit_length() <= digits


def _divisor(format: SegmentedFormat, scale: Scale) -> tuple[int, int, int]:
    """M, and as bits of a float64 1/M in float32 and the power of two that scales quotients."""
    reciprocal = float(np.float32(float(Fraction(1, scale.M))))
    return scale.M, _bits(reciprocal), _bits(2.0 ** (scale.k - format.fraction_bits))


def _bits(number: float) -> int:
    return int(struct.unpack("<q", struct.pack("<d", number))[0])


def _on(x: Tensor) -> AbstractContextManager[object]:
    """Launches go to the current device, which need not be x's."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()
