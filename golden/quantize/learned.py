"""Fake quantization whose step is learned, as in LSQ (Esser et al., Learned Step Size Quantization, ICLR 2020).

A value v decodes to s times an integer q of the format, and only s is learned: rounding is taken for constant, so the
derivative by s is q - v / s where v does not saturate, and q where it does. As in LSQ the gradient is scaled by
1 / sqrt(n Q), n being the number of values and Q the largest q in units of s, so that a step learns at the pace of
weights. The step used is the nearest that hardware has (:class:`qse_hw.golden.formats.scale.Scale`); gradients pass
through that rounding, too.
"""

import math
from typing import Any

import torch
from torch import Tensor

from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.formats.tables import decode_table
from qse_hw.golden.quantize.operators import fake_quantize
from qse_hw.golden.quantize.saturation import limits


def fake_quantize_learned(x: Tensor, format: SegmentedFormat, step: Tensor, bits: int, *, nan_to_zero: bool) -> Tensor:
    """As :func:`qse_hw.golden.quantize.operators.fake_quantize`, on every bit, and differentiable by ``step``.

    Args:
        x: float32, float16, bfloat16 or float64.
        format: the format.
        step: s, of one element.
        bits: of the scale's M.
        nan_to_zero: whether NaN becomes 0; NaN has no part in the step's gradient.

    Raises:
        InputError: for another dtype, or a step that no scale has, such as one that training made negative.
    """
    scale = Scale.from_step(step.item(), bits)
    decoded = fake_quantize(x, format, scale, nan_to_zero=nan_to_zero)
    if not (torch.is_grad_enabled() and step.requires_grad):
        return decoded
    slope = _slope(x.detach(), decoded.detach(), format, scale)
    rate = 1 / math.sqrt(max(1, x.numel()) * _largest(format))
    values: Tensor = _WithStep.apply(decoded, step, slope, rate)  # type: ignore[no-untyped-call]
    return values


class _WithStep(torch.autograd.Function):
    """The decoded values, with a gradient for the step beside their own."""

    @staticmethod
    def forward(ctx: Any, decoded: Tensor, step: Tensor, slope: Tensor, rate: float) -> Tensor:
        ctx.save_for_backward(slope, step)
        ctx.rate = rate
        return decoded.view_as(decoded)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (gradient,), (slope, step) = gradients, ctx.saved_tensors
        of_step = (gradient.to(slope.dtype) * slope).sum() * ctx.rate
        return gradient, of_step.to(step).reshape(step.shape), None, None


def _slope(x: Tensor, decoded: Tensor, format: SegmentedFormat, scale: Scale) -> Tensor:
    """The derivative of the decoded values by s; 0 where x is NaN or a value is beyond its dtype."""
    dtype = "float64" if x.dtype == torch.float64 else "float32"
    low, high = limits(format, scale, dtype)
    x, decoded = (values.to(getattr(torch, dtype)) for values in (x, decoded))
    slope = torch.where((x >= low) & (x <= high), decoded - x, decoded) / float(scale.step)
    return torch.where(slope.isfinite() & ~x.isnan(), slope, 0.0)


def _largest(format: SegmentedFormat) -> float:
    values, assigned = decode_table(format)
    return float(abs(values[assigned]).max()) / 2.0**format.fraction_bits
