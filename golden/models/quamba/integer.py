"""The integer arithmetic of a quantized layer: int8 codes, int32 accumulators, dyadic requantization.

Every function has one exact result, which the tests also compute in Python integers. Floating point is used only where
it is exact: float64 for the product of a float32 and a 16-bit multiplier, float32 or float64 for sums
of integers that stay below 2^24 or 2^53.
"""

from fractions import Fraction
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import int8
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.quantize import operators

Rounding = Literal["half even", "half away"]

LOW, HIGH = -128, 127
MAX_INT8 = 128
"""The largest magnitude of an int8 code."""
MAX_ACCUMULATOR = (1 << 31) - 1
HALF_MAX = 65504.0  # of float16
MIN_PEAK, MAX_PEAK = 2.0**-119, 2.0**127  # of weights: their steps, and 127 times those, are normal float32

_INT8 = int8()
_BLOCK = 1 << 15  # values at a time on a CPU: they stay in its cache
MAX_SHIFT = 62  # of int64; larger shifts give 0, as this one does


def quantize(x: Tensor, scale: Scale, rounding: Rounding) -> Tensor:
    """int8 codes clamp(round(x r), -128, 127) of x's shape; NaN gives 0.

    Args:
        x: float16, bfloat16 or float32, whose product with M is exact in float64; "half away" takes float64, too.
        scale: r = M 2^-k.
        rounding: what happens to ties.

    Raises:
        InputError: for another dtype.
    """
    if rounding == "half away":
        return operators.quantize(x, _INT8, scale)
    if x.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise InputError(f"Values to round half to even must be float16, bfloat16 or float32, not {x.dtype}")
    factor = float(scale.reciprocal)  # exact: at most 20 bits
    return (x.double() * factor).round_().clamp_(LOW, HIGH).nan_to_num_(nan=0.0).to(torch.int8)


def dequantize(codes: Tensor, step: Fraction) -> Tensor:
    """Code times step in float32, as in a unit that stores the step as float32: step and product are both rounded."""
    return codes.float() * float(step)


class Weight(NamedTuple):
    """int8 codes and their step (the value of code 1), one for the whole tensor."""

    codes: Tensor
    step: Fraction

    @property
    def value(self) -> Tensor:
        """The dequantized tensor, float32."""
        return dequantize(self.codes, self.step)


def check_step(step: Fraction, where: str) -> Fraction:
    """``step`` itself; InputError if it is subnormal in float32, where products with it would be inexact."""
    if step < Fraction(1, 2**126):
        raise InputError(
            f"{where}: step must be at least 2**-126, not {float(step):.4g}; scale weights and activations up"
        )
    return step


def quantize_weight(weight: Tensor, where: str) -> Weight:
    """A symmetric per-tensor int8 weight: step = max |w| / 127 exactly, codes w / step, half to even.

    Args:
        weight: float32, any shape. All zeros get codes 0 and step 1.
        where: what messages call it.

    Raises:
        InputError: for NaN or infinity, or a peak whose step, or the product of 127 and it, is no normal float32.
    """
    w = weight.detach().float()
    if not bool(w.isfinite().all()):
        raise InputError(f"{where} must be finite, but has NaN or infinity")
    peak = float(w.abs().max())
    if peak == 0:
        return Weight(torch.zeros_like(w, dtype=torch.int8), Fraction(1))
    if not MIN_PEAK <= peak <= MAX_PEAK:
        raise InputError(
            f"{where} must be zero or have a peak from 2**-119 to 2**127, not {peak:.4g}; set it to zero or scale it"
        )
    # 127 w is exact; a quotient of 31 by 24 bits that is no tie is at least 2^-33 away from one: float64 makes none
    return Weight((w.double() * HIGH / peak).round_().to(torch.int8), Fraction(peak) / HIGH)


def multiplier(accumulator_step: Fraction, output: Scale, where: str) -> Scale:
    """The dyadic r = M 2^-k (16 bits) from accumulators to codes: the accumulators' step over the codes' step.

    Raises:
        InputError: if the ratio is 2^16 or more (k negative: the output's scale is far too small) or not representable.
    """
    try:
        result = Scale.from_step(output.step / accumulator_step)
    except InputError as error:
        raise InputError(f"{where}: the output's scale does not fit its accumulators: {error}") from error
    if result.k < 0:
        ratio = float(result.reciprocal)
        raise InputError(f"{where}: accumulator over output step must be below 2^16, not {ratio:g}; calibrate again")
    return result


def requantize(accumulators: Tensor, by: Scale) -> Tensor:
    """int8 codes clamp(round(a M / 2^k)), half to even: int64 multiplication, addition and shift only.

    With half = 2^(k-1) and q = (a M) >> k, adding half - 1 + (q & 1) before the shift rounds ties to even.

    Args:
        accumulators: int32, any shape.
        by: from :func:`multiplier`, k >= 0.
    """
    shift = min(by.k, MAX_SHIFT)
    flat = accumulators.contiguous().reshape(-1)
    codes = torch.empty(flat.shape, dtype=torch.int8, device=flat.device)
    size = _BLOCK if flat.device.type == "cpu" else max(1, flat.numel())
    for begin in range(0, flat.numel(), size):
        product = flat[begin : begin + size].to(torch.int64).mul_(by.M)  # at most 31 + 20 bits
        if shift:
            odd = (product >> shift).bitwise_and_(1)
            product.add_(odd).add_((1 << (shift - 1)) - 1).bitwise_right_shift_(shift)
        codes[begin : begin + size] = product.clamp_(LOW, HIGH)
    return codes.reshape(accumulators.shape)


def to_float16(x: Tensor) -> Tensor:
    """float16, saturating at 65504: an infinity would become NaN in the next sum."""
    return x.clamp(-HALF_MAX, HALF_MAX).half()


class IntegerLinear(nn.Module):
    """An int8 weight (out, in) times integer inputs: int32 accumulators, exact.

    Args:
        weight: float32 (out, in).
        max_input: the largest magnitude of an input.
        where: what messages call it, e.g. "Layer 3, in_proj".

    Raises:
        InputError: if a sum could leave int32: sum |w| over a row, times ``max_input``, must be below 2^31.
    """

    codes: Tensor
    _matrix: Tensor

    def __init__(self, weight: Tensor, *, max_input: int, where: str) -> None:
        super().__init__()
        codes, self.step = quantize_weight(weight, where)
        bound = int(codes.long().abs().sum(1).max()) * max_input
        if bound > MAX_ACCUMULATOR:
            raise InputError(
                f"{where}: accumulators must fit into int32, but sums reach {bound} for inputs up to {max_input}; "
                "use a format with a smaller reach or split the layer"
            )
        # Every partial sum is an integer below 2^24 and both factors have 8 bits: exact in float32, even where PyTorch
        # was allowed to multiply in TensorFloat-32 or bfloat16.
        small = bound <= 1 << 24 and max_input <= 1 << 8
        self.register_buffer("codes", codes)
        self.register_buffer("_matrix", codes.to(torch.float32 if small else torch.float64), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Integers (..., in), any integer dtype -> int32 accumulators (..., out)."""
        return F.linear(x.to(self._matrix.dtype), self._matrix).to(torch.int32)

    def product(self, x: Tensor) -> Tensor:
        """Codes times real inputs (..., in), float64: for inputs that are not integers times one step."""
        return F.linear(x.double(), self.codes.double())
