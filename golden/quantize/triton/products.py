"""Triton kernels for 8-bit codes times INT8 weights: codes become integers in registers, sums are int32 and exact."""

import triton
import triton.language as tl

from qse_hw.golden.quantize.triton.codes import decode, digit


@triton.jit
def gemv_kernel(
    codes_ptr, weight_ptr, sums_ptr, inputs, outputs,
    D: tl.constexpr, BLOCK_OUT: tl.constexpr, BLOCK_IN: tl.constexpr,
):  # fmt: skip
    """sums (rows, outputs) of codes (rows, inputs) times weight (outputs, inputs), for few rows: reads the weight once
    per row; program (o, row)."""
    row = tl.program_id(1).to(tl.int64)
    out = tl.program_id(0).to(tl.int64) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    total = tl.zeros((BLOCK_OUT, BLOCK_IN), tl.int32)
    for start in range(0, inputs, BLOCK_IN):
        place = start + tl.arange(0, BLOCK_IN)
        code = tl.load(codes_ptr + row * inputs + place, mask=place < inputs, other=0)
        weight = tl.load(
            weight_ptr + out[:, None] * inputs + place[None, :],
            mask=(out[:, None] < outputs) & (place[None, :] < inputs), other=0,
        )  # fmt: skip
        total += weight.to(tl.int32) * decode(code, D)[None, :]
    tl.store(sums_ptr + row * outputs + out, tl.sum(total, axis=1), mask=out < outputs)


@triton.jit
def gemm_kernel(
    codes_ptr, weight_ptr, sums_ptr, rows, inputs, outputs,
    D: tl.constexpr, BLOCK_ROWS: tl.constexpr, BLOCK_OUT: tl.constexpr, BLOCK_IN: tl.constexpr,
):  # fmt: skip
    """The same for many rows, on int8 matrix units: one product for each signed digit of the decoded integers."""
    row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    out = tl.program_id(1).to(tl.int64) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    total = tl.zeros((BLOCK_ROWS, BLOCK_OUT), tl.int32)
    for start in range(0, inputs, BLOCK_IN):
        place = start + tl.arange(0, BLOCK_IN)
        code = tl.load(
            codes_ptr + row[:, None] * inputs + place[None, :],
            mask=(row[:, None] < rows) & (place[None, :] < inputs), other=0,
        )  # fmt: skip
        weight = tl.load(  # 0 where there is no input, even if code 0 does not decode to 0
            weight_ptr + out[None, :] * inputs + place[:, None],
            mask=(out[None, :] < outputs) & (place[:, None] < inputs), other=0,
        )  # fmt: skip
        integer = decode(code, D)
        for number in tl.static_range(D.digits):
            total += tl.dot(digit(integer, number, D), weight, out_dtype=tl.int32) << (number * D.digit_bits)
    tl.store(
        sums_ptr + row[:, None] * outputs + out[None, :], total,
        mask=(row[:, None] < rows) & (out[None, :] < outputs),
    )  # fmt: skip
