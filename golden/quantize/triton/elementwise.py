"""Triton kernels that read every value once and write it once."""

import triton
import triton.language as tl

from qse_hw.golden.quantize.triton.codes import decode, encode, from_bits, position, rounded, saturated, scaled, widened


@triton.jit(do_not_specialize=["factor"])
def quantize_kernel(
    x_ptr, codes_ptr, counts_ptr, n, factor,
    WIDE: tl.constexpr, PRODUCT_EXACT: tl.constexpr, E: tl.constexpr, COUNT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Codes of x (n values); COUNT: also adds to int64 counts per segment, of saturated values, and of NaN."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = place < n
    x = widened(tl.load(x_ptr + place, mask=there, other=0), WIDE)
    number = tl.where(x == x, x, 0.0)
    T, inexact, negative = position(number, from_bits(factor, WIDE), PRODUCT_EXACT, E)
    code, segment = encode(T, inexact, negative, E)
    tl.store(codes_ptr + place, code.to(codes_ptr.dtype.element_ty), mask=there)
    if COUNT:
        for number in tl.static_range(len(E.limits)):
            tl.atomic_add(counts_ptr + number, tl.sum(((segment == number) & there).to(tl.int32)).to(tl.int64))
        beyond = saturated(T, negative, E) & there
        tl.atomic_add(counts_ptr + len(E.limits), tl.sum(beyond.to(tl.int32)).to(tl.int64))
        tl.atomic_add(counts_ptr + len(E.limits) + 1, tl.sum(((x != x) & there).to(tl.int32)).to(tl.int64))


@triton.jit(do_not_specialize=["factor", "M", "reciprocal", "power"])
def fake_quantize_kernel(
    x_ptr, values_ptr, n, factor, M, reciprocal, power,
    WIDE: tl.constexpr, PRODUCT_EXACT: tl.constexpr, E: tl.constexpr, D: tl.constexpr, KEEP_NAN: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Decoded values of the codes of x (n values), in the dtype of the result; KEEP_NAN: NaN stays NaN, else 0."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = place < n
    x = widened(tl.load(x_ptr + place, mask=there, other=0), WIDE)
    number = x if KEEP_NAN else tl.where(x == x, x, 0.0)
    T, inexact, negative = position(number, from_bits(factor, WIDE), PRODUCT_EXACT, E)
    code, _ = encode(T, inexact, negative, E)
    value = scaled(decode(code, D), M.to(tl.float32), from_bits(reciprocal, False), from_bits(power, False))
    value = rounded(value, values_ptr.dtype.element_ty)
    if KEEP_NAN:  # conversions differ in the bits of NaN
        value = tl.where(x == x, value, tl.full([1], float("nan"), value.dtype))
    tl.store(values_ptr + place, value, mask=there)


@triton.jit(do_not_specialize=["M", "reciprocal", "power"])
def dequantize_kernel(codes_ptr, values_ptr, n, M, reciprocal, power, D: tl.constexpr, BLOCK: tl.constexpr):
    """Decoded values of n codes, in the dtype of the result."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = place < n
    integer = decode(tl.load(codes_ptr + place, mask=there, other=0), D)
    value = scaled(integer, M.to(tl.float32), from_bits(reciprocal, False), from_bits(power, False))
    tl.store(values_ptr + place, rounded(value, values_ptr.dtype.element_ty), mask=there)
