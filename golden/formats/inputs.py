"""Input types of the quantizer: IEEE floating point and two's complement fixed point, as bit patterns."""

import re
from dataclasses import dataclass

from qse_hw.golden.checks import instance, integer
from qse_hw.golden.errors import InputError

MAX_EXPONENT = 64


@dataclass(frozen=True)
class Number:
    """An input, exactly: ``(-1)**negative * significand * 2**exponent``, or NaN, or an infinity."""

    negative: bool
    significand: int
    exponent: int
    nan: bool = False
    infinite: bool = False


@dataclass(frozen=True, kw_only=True)
class InputType:
    """``exponent_bits`` > 0: IEEE float; 0: two's complement of ``width`` bits times ``2**exponent``.

    Use :func:`input_type` to get one from its name.
    """

    name: str
    width: int
    exponent_bits: int = 0
    exponent: int = 0

    @property
    def is_float(self) -> bool:
        """Whether bit patterns are IEEE floating point."""
        return self.exponent_bits > 0

    @property
    def fraction_bits(self) -> int:
        """Bits of a float's stored significand."""
        return self.width - 1 - self.exponent_bits

    @property
    def significand_bits(self) -> int:
        """Bits of the integer that is multiplied: hidden bit included, sign bit included for fixed point."""
        return self.fraction_bits + 1 if self.is_float else self.width

    @property
    def min_exponent(self) -> int:
        """log2 of the weight of the significand's last bit, for subnormals and the smallest normals."""
        if not self.is_float:
            return self.exponent
        return 2 - (1 << (self.exponent_bits - 1)) - self.fraction_bits

    def decode(self, bits: int) -> Number:
        """The number that the bit pattern ``bits`` (0 <= bits < 2**width) stands for."""
        bits = integer(bits, "Input bits")
        if not 0 <= bits < 1 << self.width:
            raise InputError(f"Input bits must be from 0 to 2**{self.width} - 1, not {bits!r}")
        negative = bool(bits >> (self.width - 1))
        if not self.is_float:
            magnitude = (1 << self.width) - bits if negative else bits
            return Number(negative, magnitude, self.exponent)
        fraction = bits & ((1 << self.fraction_bits) - 1)
        biased = (bits >> self.fraction_bits) & ((1 << self.exponent_bits) - 1)
        if biased == (1 << self.exponent_bits) - 1:
            return Number(negative, 0, 0, nan=fraction != 0, infinite=fraction == 0)
        hidden = 1 << self.fraction_bits if biased else 0  # subnormals have none
        return Number(negative, hidden | fraction, self.min_exponent + max(biased, 1) - 1)


_FLOATS = {
    "fp32": InputType(name="fp32", width=32, exponent_bits=8),
    "fp16": InputType(name="fp16", width=16, exponent_bits=5),
    "bf16": InputType(name="bf16", width=16, exponent_bits=8),
}


def input_type(name: str) -> InputType:
    """The input type called ``name``: ``fp32``, ``fp16``, ``bf16``, ``sW`` (W = 2..32) or ``sWeE``, e.g. ``s16e-8``.

    ``sWeE`` is a two's complement integer times ``2**E``.

    Raises:
        InputError: for any other name.
    """
    instance(name, str, "Input type", "the name of one")
    if name in _FLOATS:
        return _FLOATS[name]
    match = re.fullmatch(r"s(\d{1,3})(?:e([+-]?\d{1,3}))?", name, re.ASCII)
    if match is None:
        raise InputError(f"Input type must be fp32, fp16, bf16, sW or sWeE (as in s16 or s16e-8), not {name!r}")
    width, exponent = int(match[1]), int(match[2] or 0)
    if not 2 <= width <= 32:
        raise InputError(f"Input type sW must have a width from 2 to 32, not {name!r}")
    if abs(exponent) > MAX_EXPONENT:
        raise InputError(f"Input type sWeE must have an exponent from -{MAX_EXPONENT} to {MAX_EXPONENT}, not {name!r}")
    suffix = f"e{exponent}" if exponent else ""
    return InputType(name=f"s{width}{suffix}", width=width, exponent=exponent)
