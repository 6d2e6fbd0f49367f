"""The quantizer in Python integers: the readable reference, to which everything else must be bit-exact.

With ``F = format.fraction_bits`` and ``u = x * r`` (r the scale's reciprocal, u exact), the segment logic reads one
number only, ``T``: u in half fine steps, truncated::

    T = floor(2**(F+1) * |u|)                                   signed formats
    T = max(0, floor(2**(F+1) * u) + 2 * zero_point)            offset formats

Segment i (start B, end E in fine steps, step 2**e fine steps) holds T if ``T + 2**e < 2*E``, and its code number there
is ``(T + 2**e - 2*B) >> (e+1)``: round to nearest, half away from zero (signed) or half up (offset).
"""

from typing import NamedTuple

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat


class Quantized(NamedTuple):
    """One quantized value: its code's bit pattern and flags.

    A value saturates if it would round beyond the first or the last code: if it lies half a step or more beyond the
    last code's value (more than half a step below the first code of an ``offset`` format, as halves round up), or is
    infinite. Nearer values round to that code and do not saturate.
    """

    code: int
    saturated: bool
    nan: bool


def quantize(bits: int, type: InputType, format: SegmentedFormat, scale: Scale) -> Quantized:
    """Quantize one input, given as a bit pattern of ``type``."""
    number = type.decode(bits)
    if number.nan:
        return Quantized(format.zero_code, saturated=False, nan=True)
    if number.infinite:
        return saturate(format, number.negative)
    half_steps = number.significand * scale.M
    return quantize_dyadic(
        -half_steps if number.negative else half_steps,
        number.exponent - scale.k + format.fraction_bits + 1,
        format,
    )


def only_zero(type: InputType, format: SegmentedFormat, scale: Scale) -> bool:
    """Whether every finite input has the code of 0; the outermost ones decide, as codes ascend with inputs."""
    sign = 1 << (type.width - 1)
    largest = (((1 << type.exponent_bits) - 1) << type.fraction_bits) - 1 if type.is_float else sign - 1
    outermost = (largest, largest | sign if type.is_float else sign)
    return all(quantize(bits, type, format, scale).code == format.zero_code for bits in outermost)


def quantize_dyadic(n: int, exponent: int, format: SegmentedFormat) -> Quantized:
    """Quantize the exact value ``n * 2**exponent``, in half fine steps (``2**(F+1) * u``)."""
    negative = n < 0
    magnitude = abs(n) if format.signed else n
    T = magnitude << exponent if exponent >= 0 else magnitude >> -exponent  # floor, also for negative n
    exact = exponent >= 0 or T << -exponent == magnitude
    return quantize_position(T, exact, negative, format)


def quantize_position(T: int, exact: bool, negative: bool, format: SegmentedFormat) -> Quantized:
    """Quantize from the truncated position.

    Args:
        T: as above, but before the ``max(0, ... + 2 * zero_point)`` of offset formats.
        exact: whether nothing was truncated.
        negative: the sign of u; used by signed formats.
        format: the format.
    """
    if not format.signed:
        T += 2 * format.zero_point
        if T + (1 << format.shifts[0]) < 0:
            return saturate(format, negative=True)
        T = max(0, T)
    index = _index(T, exact, format)
    if index is None or index > format.last_index(negative=negative):
        return saturate(format, negative)
    return Quantized(_code(index, negative, format), saturated=False, nan=False)


def _index(T: int, exact: bool, format: SegmentedFormat) -> int | None:
    """Rank on the axis of the code nearest to T, or None beyond the last segment."""
    for segment, first, start, end, e in zip(
        format.segments, format.first_indices, format.starts, format.ends, format.shifts, strict=True
    ):
        if segment.exact_end:
            last = 2 * (end - (1 << e))
            inside = T + (not exact) <= last
        else:
            inside = T + (1 << e) < 2 * end
        if inside:
            # A coarse segment's last half step reaches past this one's start when steps shrink: code 0, not -1.
            return first + max(0, (T + (1 << e) - 2 * start) >> (e + 1))
    if format.kind == "twos-complement":
        # the one value below -127, if the format has it; last_index() decides
        return (T + (1 << e) - 2 * start) >> (e + 1)
    return None


def saturate(format: SegmentedFormat, negative: bool) -> Quantized:
    """The code at the end of the format's range."""
    index = 0 if negative and not format.signed else format.last_index(negative=negative)
    return Quantized(_code(index, negative, format), saturated=True, nan=False)


def _code(index: int, negative: bool, format: SegmentedFormat) -> int:
    if format.kind == "twos-complement":
        return (-index if negative else index) % (1 << format.bits)
    code = format.axis_codes[index]
    if negative and format.signed and index > 0:
        code |= 1 << (format.bits - 1)
    return code


def dequantize(code: int, format: SegmentedFormat) -> int:
    """The value of ``code`` as an integer in fine steps (``s * 2**-F``); redundant codes are accepted.

    Raises:
        InputError: if the format gives the code no value.
    """
    try:
        return format.decoded[code]
    except KeyError:
        raise InputError(f"Code must be one that format {format.name} assigns, not {code!r}") from None
