"""The operations of a quantized layer between its integer products, for one time step, to be fused by the compiler.

All are functions of tensors alone. The arithmetic is that of :mod:`qse_hw.golden.models.quamba.model`. Constants are
tensors of no axes, so that a compiled function serves every layer. Shapes: batch b, ``d_model`` m, ``d_inner`` d,
``dt_rank`` r, ``d_state`` n.
"""

from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor

from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.quamba.integer import HIGH, LOW, MAX_SHIFT, dequantize, to_float16

_HEAD_ROWS = 512  # of the head that are converted to floating point at a time: they stay in a CPU's cache


def requantization(by: Scale) -> Tensor:
    """A scale as :func:`requantized` takes it: int64 M, k and 2^(k-1) - 1. A k of 0 becomes 1, with 2 M."""
    M, k = (by.M, min(by.k, MAX_SHIFT)) if by.k else (2 * by.M, 1)
    return torch.tensor([M, k, (1 << (k - 1)) - 1])


def requantized(sums: Tensor, by: Tensor) -> Tensor:
    """int8 codes of int32 sums, as :func:`qse_hw.golden.models.quamba.integer.requantize`."""
    M, shift, half = by.unbind()
    product = sums.to(torch.int64) * M  # at most 31 + 20 bits
    odd = (product >> shift) & 1
    return ((product + odd + half) >> shift).clamp(LOW, HIGH).to(torch.int8)


def step_of(step: Fraction) -> Tensor:
    """The float32 that :func:`qse_hw.golden.models.quamba.integer.dequantize` multiplies with."""
    return torch.tensor(float(step), dtype=torch.float32)


def factor_of(scale: Scale) -> Tensor:
    """float64 r, exact: at most 20 bits."""
    return torch.tensor(float(scale.reciprocal), dtype=torch.float64)


def rounded(x: Tensor, factor: Tensor) -> Tensor:
    """int8 codes of float32 values, half to even, as :func:`qse_hw.golden.models.quamba.integer.quantize`."""
    return (x.double() * factor).round().clamp(LOW, HIGH).nan_to_num(nan=0.0).to(torch.int8)


def normalize(residual: Tensor, factor: Tensor, eps: float) -> Tensor:
    """int8 codes (b, m) that in_proj reads."""
    return rounded(F.rms_norm(residual, (residual.shape[-1],), eps=eps), factor)


def convolve(
    sums: Tensor, by: Tensor, window: Tensor, taps: Tensor, step: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """x (b, d), float32, and the gate (b, d), int8, of in_proj's sums (b, 2 d); the window moves on by one."""
    before, gate = requantized(sums, by).chunk(2, dim=-1)
    seen = torch.cat((window, before[:, :, None]), dim=-1)
    total = (seen.to(torch.int32) * taps.to(torch.int32)).sum(-1, dtype=torch.int32)
    window.copy_(seen[:, :, 1:])
    return F.silu(total.float() * step + bias), gate


def project(sums: Tensor, by: Tensor, split: int) -> tuple[Tensor, Tensor]:
    """int8 dt_low (b, r), and B beside C (b, 2 n), of x_proj's sums; r is ``split``."""
    low, BC = requantized(sums, by).tensor_split([split], dim=-1)
    return low.contiguous(), BC.contiguous()


def decoded(codes: Tensor, values: Tensor) -> Tensor:
    """Decoded values of codes, float32, from a table indexed by the code's bit pattern."""
    return values[codes.long() & (len(values) - 1)]


def scan(
    codes: Tensor, values: Tensor, dt: Tensor, by: Tensor, dt_step: Tensor, dt_bias: Tensor, A: Tensor,
    BC: Tensor, step: Tensor, D: Tensor, gate: Tensor, gate_step: Tensor,
    state: Tensor, state_factor: Tensor, state_step: Tensor,
) -> Tensor:  # fmt: skip
    """y (b, d), float16 values in float64; the state (b, d, n) is updated as it is stored: float32, float16 or int8.

    Args:
        codes: of x (b, d); ``values``: the table of their decoded values.
        dt: sums of dt_proj (b, d), requantized by ``by`` to codes at ``dt_step``.
        BC: int8 (b, 2 n), at ``step``.
        gate: int8 (b, d), at ``gate_step``.
        dt_bias, A, D: float32, (d), (d, n) and (d).
        state_factor, state_step: factors from an int8 state to its codes and back.
    """
    delta = F.softplus(requantized(dt, by).float() * dt_step + dt_bias, threshold=20.0)
    x = decoded(codes, values)
    B, C = (BC.float() * step).chunk(2, dim=-1)
    flow = (delta * x)[:, :, None] * B[:, None, :]
    held = state.float() * state_step if state.dtype == torch.int8 else state.float()
    now = torch.addcmul(flow, torch.exp(delta[:, :, None] * A), held)
    if state.dtype == torch.int8:
        state.copy_(rounded(now, state_factor))
    else:
        state.copy_(to_float16(now) if state.dtype == torch.float16 else now)
    y = _read(now, C) + D * x
    return to_float16(y * F.silu(gate.float() * gate_step)).double()


def _read(state: Tensor, C: Tensor) -> Tensor:
    """C h (b, d). A CPU computes one product in another order of summation than several: so it gets two."""
    if len(state) == 1 and state.device.type == "cpu":
        state, C = state.expand(2, -1, -1), C.expand(2, -1)
        return (state @ C[:, :, None])[:1].squeeze(-1)
    return (state @ C[:, :, None]).squeeze(-1)


def finish(residual: Tensor, sums: Tensor, step: Tensor) -> Tensor:
    """The residual stream (b, m) with out_proj's sums added, which are float16 values."""
    return residual + to_float16(sums.float() * step).float()


def head(residual: Tensor, norm: Tensor, matrix: Tensor, step: Tensor, eps: float) -> Tensor:
    """Logits (b, vocab_size), float32, of a matrix (vocab_size, m) of int8 codes or float16 values times ``step``."""
    hidden = F.rms_norm(residual, (residual.shape[-1],), norm, eps)
    parts = torch.split(matrix, _HEAD_ROWS) if matrix.device.type == "cpu" else (matrix,)  # a GPU fuses the conversion
    return torch.cat([F.linear(hidden, part.float()) for part in parts], dim=-1) * step


def stored(matrix: Tensor, step: Fraction | None) -> tuple[Tensor, Tensor]:
    """A decoder's matrix and its step: int8 codes at ``step``, or float16 if ``step`` is None."""
    if step is None:
        return to_float16(matrix.detach()), step_of(Fraction(1))
    codes = (matrix.detach() / float(step)).round().to(torch.int8)
    assert torch.equal(dequantize(codes, step), matrix)
    return codes, step_of(step)
