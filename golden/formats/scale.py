"""The quantizer's scale: a dyadic reciprocal, ``r = M * 2**-k``, and the step ``s = 1/r``.

Hardware multiplies, so the reciprocal is what is stored; dequantization uses the same ``M`` and ``k``.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from qse_hw.golden.checks import integer, shown
from qse_hw.golden.errors import InputError

MAX_SCALE_BITS = 20  # so that a product with any 32-bit input is exact in float64 (32 + 20 <= 53 bits)
MAX_LOG2_STEP = 100  # so that every decoded value is a normal float32
_LEAST_STEP, _LARGEST_STEP = Fraction(1, 2**MAX_LOG2_STEP), Fraction(2**MAX_LOG2_STEP)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """``r = M * 2**-k``, with ``M`` an unsigned integer of ``bits`` bits whose top bit is set.

    Raises:
        InputError: if ``M``, ``k`` or ``bits`` is out of range.
    """

    M: int
    k: int
    bits: int = 16

    def __post_init__(self) -> None:
        for name in ("M", "k", "bits"):
            object.__setattr__(self, name, integer(getattr(self, name), f"Scale {name}"))
        check_scale_bits(self.bits)
        low, high = 1 << (self.bits - 1), (1 << self.bits) - 1
        if not low <= self.M <= high:
            raise InputError(f"Scale M must be from {low} to {high} ({self.bits} bits, top bit set), not {self.M!r}")
        if not -MAX_LOG2_STEP <= self.k <= MAX_LOG2_STEP + MAX_SCALE_BITS:  # before computing 2**k
            raise InputError(
                f"Scale k must be from -{MAX_LOG2_STEP} to {MAX_LOG2_STEP + MAX_SCALE_BITS}, not {self.k!r}"
            )
        if not _LEAST_STEP <= self.step <= _LARGEST_STEP:
            raise InputError(f"Scale step must be from 2**-{MAX_LOG2_STEP} to 2**{MAX_LOG2_STEP}, not {self}")

    @classmethod
    def from_step(cls, step: float | Fraction, bits: int = 16) -> "Scale":
        """The scale whose reciprocal is nearest to ``1/step`` (ties to even ``M``); a power of two stays exact.

        Args:
            step: s, the step of the standard segment: finite, positive, from 2**-100 to 2**100.
            bits: width of ``M``, 1 to 20.

        Raises:
            InputError: naming the value and the rule.
        """
        bits = check_scale_bits(bits)
        if isinstance(step, (bool, str, bytes)):  # float() would take them
            raise InputError(f"Scale must be a number, not {shown(step)}")
        try:
            number = float(step)
        except (TypeError, ValueError):
            raise InputError(f"Scale must be a number, not {shown(step)}") from None
        except OverflowError:
            number = math.inf if step > 0 else -math.inf
        if not math.isfinite(number) or step <= 0:
            raise InputError(f"Scale must be finite and positive, not {number!r}")
        if not isinstance(step, Fraction):
            step = Fraction(number)
        if not _LEAST_STEP <= step <= _LARGEST_STEP:
            raise InputError(f"Scale must be from 2**-{MAX_LOG2_STEP} to 2**{MAX_LOG2_STEP}, not {number!r}")
        over, under = step.denominator, step.numerator  # of the reciprocal; in integers, as calibration makes thousands
        # 2**(bits-1) <= over / under * 2**k < 2**bits, up to one correction of the first guess
        k = bits - (over.bit_length() - under.bit_length())
        if over << max(k, 0) >= under << bits + max(-k, 0):
            k -= 1
        divisor = under << max(-k, 0)
        M, rest = divmod(over << max(k, 0), divisor)
        M += 2 * rest > divisor or (2 * rest == divisor and M & 1)  # ties to even
        if M >> bits:  # rounded up to the next power of two
            M, k = M >> 1, k - 1
        return cls(M=M, k=k, bits=bits)

    @cached_property
    def reciprocal(self) -> Fraction:
        """r, exactly."""
        return Fraction(self.M << max(-self.k, 0), 1 << max(self.k, 0))

    @cached_property
    def step(self) -> Fraction:
        """s = 1/r, exactly."""
        return 1 / self.reciprocal

    def __str__(self) -> str:
        return f"s = {float(self.step):.6g} (1/s = M * 2**-k, M = {self.M}, k = {self.k}, {self.bits} bits)"


def as_scale(value: object) -> Scale:
    """``value`` if it is a scale; else the scale nearest to that step: a number, or an array or tensor of one element.

    Raises:
        InputError: as :meth:`Scale.from_step`, and for more than one element.
    """
    if isinstance(value, Scale):
        return value
    shape = getattr(value, "shape", ())
    if math.prod(shape) != 1:
        raise InputError(f"Scale must be one number, as formats are per tensor, not of shape {tuple(shape)}")
    if hasattr(value, "item"):  # of an array or a tensor: its one element
        try:
            value = value.item()
        except RuntimeError as error:  # a tensor without data
            raise InputError(f"Scale must be a number, not {shown(value)}") from error
    return Scale.from_step(value)  # type: ignore[arg-type]  # from_step refuses anything but a number


def scale_from_text(text: str, bits: int = 16) -> Scale:
    """The scale with step ``text`` and ``M`` of that many bits. Raises InputError."""
    try:
        step = float(text)
    except ValueError:
        raise InputError(f"Scale must be a number, not {text!r}") from None
    return Scale.from_step(step, bits)


def check_scale_bits(bits: int) -> int:
    """``bits`` as an int, or an InputError."""
    bits = integer(bits, "Scale bits")
    if not 1 <= bits <= MAX_SCALE_BITS:
        raise InputError(f"Scale bits must be from 1 to {MAX_SCALE_BITS}, not {bits!r}")
    return bits


SCALE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["M", "k", "bits"],
    "additionalProperties": False,
    "properties": {"M": {"type": "integer"}, "k": {"type": "integer"}, "bits": {"type": "integer"}},
}


def scale_from_json(document: dict[str, Any], where: str) -> Scale:
    """A scale; InputErrors begin with ``where``."""
    try:
        return Scale(**{name: int(value) for name, value in document.items()})
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
