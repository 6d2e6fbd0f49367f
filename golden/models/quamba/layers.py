"""The three parts of a quantized Mamba block that are more than one integer product."""

from fractions import Fraction
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qse_hw.golden.calibration.quantizers import Quantizer, SegmentedQuantizer
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.codes import code_dtype
from qse_hw.golden.formats.presets import int8
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.tables import decode_table
from qse_hw.golden.models.quamba.integer import (
    HIGH,
    LOW,
    MAX_INT8,
    IntegerLinear,
    check_step,
    dequantize,
    multiplier,
    quantize_weight,
    requantize,
    to_float16,
)
from qse_hw.golden.quantize import operators
from qse_hw.golden.reference.hadamard import fold_inverse, transform_tensor

XProjInput = Literal["code", "int8"]
X_PROJ_INPUTS: tuple[XProjInput, ...] = ("code", "int8")


class IntegerConv(nn.Module):
    """The causal depthwise convolution on int8 inputs, int8 weights and an int8 bias with a step of its own.

    Args:
        weight: float32 (d, 1, width).
        bias: float32 (d).
        input_step: of the inputs.
        where: what messages call it.

    Raises:
        InputError: if the weight's step times the inputs' is below any normal float32.
    """

    codes: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, input_step: Fraction, where: str) -> None:
        super().__init__()
        codes, step = quantize_weight(weight.squeeze(1), f"{where} weight")
        self.step = check_step(step * input_step, where)
        self.register_buffer("codes", codes)
        self.register_buffer("bias", quantize_weight(bias, f"{where} bias").value)

    def accumulate(self, x: Tensor) -> Tensor:
        """int8 (b, l, d) -> int32 (b, l, d): at most width * 2^14."""
        width, length = self.codes.shape[1], x.shape[1]
        padded = F.pad(x.to(torch.int32), (0, 0, width - 1, 0))
        taps = self.codes.to(torch.int32)
        total = torch.zeros_like(padded[:, :length])
        for i in range(width):
            total.addcmul_(padded[:, i : i + length], taps[:, i])
        return total

    def forward(self, accumulators: Tensor) -> Tensor:
        """int32 (b, l, d) -> SiLU(accumulator * step + bias), float32."""
        return F.silu(dequantize(accumulators, self.step).add_(self.bias))


class XProjection(nn.Module):
    """Quantizes x and projects it to dt_low, B and C.

    ``reads`` is the product's input:

    * "code": the decoded integer of x's code, as in hardware, where one code serves both consumers. A quantizer that is
      not a :class:`SegmentedQuantizer` has no such integer; its decoded float32 values are used, in float64 products.
    * "int8": INT8 of the decoded value at the percentile scale, as in the paper's simulation: x is rounded twice.

    Args:
        weight: float32 (r + 2 n, d).
        quantizer: of x.
        plain: percentile scale of plain INT8.
        output: scale of the projection.
        reads: "code" or "int8".
        where: what messages call it.
    """

    def __init__(
        self, weight: Tensor, quantizer: Quantizer, plain: Scale, output: Scale, reads: XProjInput, where: str
    ) -> None:
        super().__init__()
        if reads not in X_PROJ_INPUTS:
            raise InputError(f"What x_proj reads must be one of {', '.join(X_PROJ_INPUTS)}, not {reads!r}")
        self.quantizer, self.reads, self.plain = quantizer, reads, SegmentedQuantizer(format=int8(), scale=plain)
        self.source = self.plain if reads == "int8" else quantizer
        if isinstance(self.source, SegmentedQuantizer):
            format = self.source.format
            step = self.source.scale.step / Fraction(2) ** format.fraction_bits
            largest = max(abs(value) for value in format.values.values())
        else:
            step, largest = Fraction(1), MAX_INT8
        self.linear = IntegerLinear(weight, max_input=largest, where=where)
        self.by = multiplier(step * self.linear.step, output, where)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x float32 (..., d) -> x decoded, float32 (..., d), and int8 (..., r + 2 n)."""
        if not isinstance(self.source, SegmentedQuantizer):
            decoded = self.quantizer.tensor(x)
            real = self.linear.product(decoded) * float(self.by.reciprocal)
            return decoded, real.round_().clamp_(LOW, HIGH).to(torch.int8)
        if self.reads == "int8":
            decoded = self.quantizer.tensor(x)
            codes = operators.quantize(decoded, self.source.format, self.source.scale)
        else:
            codes = operators.quantize(x, self.source.format, self.source.scale)
            decoded = operators.dequantize(codes, self.source.format, self.source.scale)
        return decoded, requantize(self.linear(decoded_integers(codes, self.source)), self.by)


def decoded_integers(codes: Tensor, quantizer: SegmentedQuantizer) -> Tensor:
    """Decoded integers, in fine steps, of codes as ``qse_hw.golden.quantize.operators.quantize`` gives them: int8 codes
    themselves, others as int32.
    """
    format = quantizer.format
    if format.kind == "twos-complement" and format.bits == 8 and format.fraction_bits == 0:
        return codes
    values = decode_table(format)[0]
    if code_dtype(format).kind == "i":  # negative codes index from the end
        return torch.from_numpy(values).to(codes.device)[codes.long()]
    return torch.from_numpy(values).to(codes.device).index_select(0, codes.int().flatten()).view(codes.shape)


class HadamardLinear(nn.Module):
    """out_proj: the float16 input transformed, quantized to int8, times a weight that holds the inverse transform.

    The transform of float16 values is exact in float64, and so is every code, for any order in which the hardware adds.
    The transform is not normalized: 1/n is in the weight's step and sqrt(n) in the input's.

    Args:
        weight: float32 (m, d).
        scale: of the unnormalized transform.
        where: what messages call it.

    Raises:
        InputError: if the weight's step times the scale's is below any normal float32, or a sum could leave int32.
    """

    def __init__(self, weight: Tensor, scale: Scale, where: str) -> None:
        super().__init__()
        self.scale = scale
        self.linear = IntegerLinear(fold_inverse(weight.detach().float()), max_input=MAX_INT8, where=where)
        self.step = check_step(scale.step * self.linear.step, where)

    def quantize(self, y: Tensor) -> Tensor:
        """float16 (..., d) -> int8 codes of its transform, half away from zero."""
        return operators.quantize(transform_tensor(y.double(), normalize=False), int8(), self.scale)

    def forward(self, y: Tensor) -> Tensor:
        """Floating point (..., d), taken as float16 -> float32 (..., m) that float16 holds exactly."""
        accumulators = self.linear(self.quantize(to_float16(y)))
        return to_float16(dequantize(accumulators, self.step)).float()
