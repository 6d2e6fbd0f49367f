"""Thresholds on the input itself, for hardware that compares before it multiplies."""

from collections.abc import Callable
from fractions import Fraction
from math import floor

from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.rtl_gen.lane.piecewise import guard_bits


def position(format: SegmentedFormat, x: Fraction, scale: Scale) -> int:
    """D of the value ``x`` (|x| for signed formats but two's complement), as :mod:`qse_hw.rtl_gen.lane.piecewise`
    defines it.
    """
    half_steps = x * scale.reciprocal * Fraction(2) ** (format.fraction_bits + 1)
    T = floor(half_steps)
    if format.kind == "twos-complement":
        return T + 1 - (x < 0 and T == half_steps)
    return 2 * T + (T != half_steps) if guard_bits(format) else T


def least_input(format: SegmentedFormat, input: InputType, scale: Scale, first: int) -> int:
    """The least input whose D is ``first`` or more, as an ordinal.

    Ordinals ascend with inputs. The ordinal of a fixed-point input is the integer. That of a float is the bit pattern
    without the sign, inverted for negative floats if D has a sign. If no input has such a D, the result is the largest
    ordinal plus 1.
    """
    magnitude = format.kind == "sign-magnitude"
    if input.is_float:
        infinity = ((1 << input.exponent_bits) - 1) << input.fraction_bits
        low, high = (0 if magnitude else ~infinity), infinity
    else:
        limit = 1 << (input.width - 1)
        low, high = (0 if magnitude else -limit), limit + magnitude
    return _least(lambda ordinal: _reaches(format, input, scale, ordinal, first), low, high)


def _least(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The least n in low..high for which ``holds(n)``, which is monotone and true at ``high``."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _reaches(format: SegmentedFormat, input: InputType, scale: Scale, ordinal: int, first: int) -> bool:
    if not input.is_float:
        return position(format, ordinal * Fraction(2) ** input.exponent, scale) >= first
    number = input.decode(ordinal if ordinal >= 0 else ~ordinal)
    if number.infinite:
        return ordinal >= 0
    x = number.significand * Fraction(2) ** number.exponent
    return position(format, x if ordinal >= 0 else -x, scale) >= first
