"""The arithmetic that the kernels share: a value's position, a position's code, a code's integer, an integer's value.

Exact without float64. A product of a value and the factor is the sum of its rounding and the rounding error, which an
fma gives (an error-free transformation: Dekker, "A floating-point technique for extending the available precision",
1971). Overflow does no harm, since such values saturate, nor do subnormal products, since all positions between 0 and 1
are alike. Only a product that becomes 0 has lost its side of 0; so has a negative subnormal one, which Triton's floor
flushes to 0 on a GPU.
"""

import triton
import triton.language as tl

from qse_hw.golden.quantize.triton.layout import OFFSET, SIGN_MAGNITUDE, TWOS_COMPLEMENT

_OFFSET = tl.constexpr(OFFSET)
_SIGN_MAGNITUDE = tl.constexpr(SIGN_MAGNITUDE)
_TWOS_COMPLEMENT = tl.constexpr(TWOS_COMPLEMENT)


@triton.jit
def position(x, factor, PRODUCT_EXACT: tl.constexpr, E: tl.constexpr):
    """T from the axis' start (int32), whether anything was truncated, and the sign; undefined for NaN.

    ``x`` and ``factor`` are both float32, or both float64.
    """
    negative = x < 0
    if E.kind != _OFFSET:
        x = tl.abs(x)
    product = x * factor
    t = tl.floor(product)
    inexact = t != product
    if not PRODUCT_EXACT:
        cut = tl.fma(x, factor, -product)  # an infinite product stays infinite, whatever this is
        t = tl.where((cut < 0) & (t == product), t - 1, t)
        inexact = inexact | (cut != 0)
    if E.sticky and E.kind == _OFFSET:  # an exact end may be at 0; other formats have one code on both sides of 0
        beside = (x != 0) & (tl.abs(product) < 1)
        t = tl.where(beside, tl.where(negative, -1.0, 0.0), t)
        inexact = inexact | beside
    t = tl.minimum(t, E.high * 1.0)
    if E.kind == _OFFSET:
        t = tl.maximum(t, E.low * 1.0)
    return t.to(tl.int32) + E.zero, inexact, negative


@triton.jit
def encode(T, inexact, negative, E: tl.constexpr):
    """Codes (int32, two's complement as signed numbers) and the number of their segment."""
    segment = tl.zeros_like(T)
    if E.kind == _TWOS_COMPLEMENT:
        index = tl.minimum((T + 1) >> 1, tl.where(negative, E.last_negative, E.last))
        return tl.where(negative, -index, index), segment
    T = tl.minimum(tl.maximum(T, 0), E.limits[len(E.limits) - 1] - 1)  # values that saturate have the last code
    segment += len(E.limits) - 1
    add = tl.zeros_like(T) + E.adds[len(E.limits) - 1]
    shift = tl.zeros_like(T) + E.shifts[len(E.limits) - 1]
    floor = tl.zeros_like(T) + E.floors[len(E.limits) - 1]
    for number in tl.static_range(len(E.limits) - 2, -1, -1):  # the first segment that holds T wins
        place = 2 * T + inexact.to(tl.int32) if E.exact[number] else T
        inside = place < E.limits[number]
        add = tl.where(inside, E.adds[number], add)
        shift = tl.where(inside, E.shifts[number], shift)
        floor = tl.where(inside, E.floors[number], floor)
        segment = tl.where(inside, number, segment)
    code = (T + add) >> shift
    if E.shrinking:
        code = tl.maximum(code, floor)
    if E.kind == _SIGN_MAGNITUDE:
        code = tl.where(negative & (code != E.zero_code), code | E.sign, code)
    return code, segment


@triton.jit
def saturated(T, negative, E: tl.constexpr):
    """Whether a position is beyond the format's reach."""
    if E.kind == _OFFSET:
        return (T >= E.above) | (T <= E.below)
    return T >= tl.where(negative, E.below, E.above)


@triton.jit
def decode(code, D: tl.constexpr):
    """Integers in fine steps, int32, of stored codes; 0 for codes that the format does not assign."""
    code = code.to(tl.int32)
    if D.kind == _TWOS_COMPLEMENT:
        if D.bits < D.container:
            return tl.where((code >= -(1 << (D.bits - 1))) & (code < 1 << (D.bits - 1)), code, 0)
        return code
    field = code & ((1 << (D.bits - 1)) - 1) if D.kind == _SIGN_MAGNITUDE else code
    value = (field << D.shifts[0]) + D.adds[0] if D.assigned[0] else tl.zeros_like(field)
    for run in tl.static_range(1, len(D.firsts)):
        here = (field << D.shifts[run]) + D.adds[run] if D.assigned[run] else tl.zeros_like(field)
        value = tl.where(field >= D.firsts[run], here, value)
    for number in tl.static_range(len(D.aliases)):
        value = tl.where(field == D.aliases[number], D.alias_values[number], value)
    if D.kind == _SIGN_MAGNITUDE:
        value = tl.where((code >> (D.bits - 1)) & 1 != 0, -value, value)
    if D.bits < D.container:
        value = tl.where((code >> D.bits) == 0, value, 0)
    return value


@triton.jit
def scaled(integer, M, reciprocal, power):
    """``integer / M * power``, float32, rounded once (ties to even).

    ``reciprocal`` is 1/M in float32, ``power`` a power of two. A first quotient is corrected by its exact remainder
    (Markstein, "Computation of elementary functions on the IBM RISC System/6000 processor", 1990): the result is within
    2**-23 ulp of the true quotient before it is rounded. A quotient of an integer below 2**15 by one below 2**20 is at
    least 2**-21 ulp away from a tie.
    """
    n = integer.to(tl.float32)
    first = n * reciprocal
    remainder = tl.fma(-first, M, n)
    return tl.fma(remainder, reciprocal, first) * power


@triton.jit
def widened(x, WIDE: tl.constexpr):
    """Numbers of any dtype as float32, exactly; WIDE: as float64."""
    if x.dtype == tl.bfloat16:  # in integers, as Triton's interpreter loses subnormal numbers when it converts
        x = (x.to(tl.int16, bitcast=True).to(tl.int32) << 16).to(tl.float32, bitcast=True)
    return x.to(tl.float64 if WIDE else tl.float32)


@triton.jit
def rounded(value, DTYPE: tl.constexpr):
    """Finite float32 as another floating dtype, ties to even."""
    if DTYPE == tl.bfloat16:  # in integers, as Triton's interpreter does not round when it converts
        bits = value.to(tl.int32, bitcast=True)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).to(tl.int16).to(tl.bfloat16, bitcast=True)
    return value.to(DTYPE)


@triton.jit
def digit(integer, number: tl.constexpr, D: tl.constexpr):
    """Signed digit ``number`` of integers, int8: an integer is the sum of its digits times 2**(digit_bits * number)."""
    half = 1 << (D.digit_bits - 1)
    rest = integer
    for _ in tl.static_range(number):
        rest = (rest + half) >> D.digit_bits  # the remainder without the lowest digit
    if number < D.digits - 1:
        rest = ((rest + half) & (2 * half - 1)) - half
    return rest.to(tl.int8)


@triton.jit
def from_bits(bits, WIDE: tl.constexpr):
    """A float argument passed as the bits of a float64, so that Triton does not round it; WIDE: as float64."""
    value = tl.cast(bits, tl.int64).to(tl.float64, bitcast=True)
    if WIDE:
        return value
    return value.to(tl.float32)
