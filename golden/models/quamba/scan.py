"""The selective scan over time with a state that is rounded where a decoder would store it.

Source: Gu and Dao, "Mamba" (2023), equations 2a and 4; the storing of the state follows the decoding step, which
reads the stored state, updates it in float32, computes y from that, and rounds it only on its way back to memory.
Shapes: batch b, length l, channels d, ``d_state`` n.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.quamba.integer import dequantize, quantize, to_float16

State = Literal["fp32", "fp16", "int8"]
STATES: tuple[State, ...] = ("fp32", "fp16", "int8")

Store = Callable[[Tensor], Tensor]
"""State (b, d, n) in float32 -> what the next step reads back, float32."""

_CHUNK_VALUES = 1 << 19  # decays held at once: they stay in a cache of a few MB


def store_as(state: State, scale: Scale) -> Store | None:
    """How a state is stored: None for fp32; fp16 saturates; int8 is at ``scale``, half to even.

    Raises:
        InputError: for another name.
    """
    if state == "fp32":
        return None
    if state == "fp16":
        return lambda h: to_float16(h).float()
    if state == "int8":
        step: Fraction = scale.step
        return lambda h: dequantize(quantize(h, scale, "half even"), step)
    raise InputError(f"State must be one of {', '.join(STATES)}, not {state!r}")


def selective_scan(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    z: Tensor,
    dt_bias: Tensor,
    *,
    store: Store | None = None,
    observe: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """The gated selective scan: (b, l, d), all in float32.

    delta = softplus(dt + dt_bias), linear above 20; h = exp(delta A) stored(h) + delta B x; y = (C h + D x) SiLU(z).

    Args:
        x: SSM input (b, l, d), as are dt (before bias and softplus) and z.
        dt: time steps.
        A: negative, (d, n).
        B: (b, l, n), as is C.
        C: output projection.
        D: (d), as is dt_bias.
        z: gate.
        dt_bias: bias of the time steps.
        store: what happens to h from one step to the next; None: nothing.
        observe: called with the number of every time step and its state (b, d, n) before it is stored.
    """
    delta = F.softplus(dt + dt_bias, threshold=20.0).transpose(0, 1)  # time first, so that a step is contiguous
    inflow, B, C = delta * x.transpose(0, 1), B.transpose(0, 1), C.transpose(0, 1)
    length, batch, channels = inflow.shape
    h = x.new_zeros(batch, channels, A.shape[1])
    steps = max(1, _CHUNK_VALUES // max(1, h.numel()))
    outputs = []
    for start in range(0, length, steps):
        chunk = slice(start, start + steps)
        decays = torch.exp(delta[chunk, :, :, None] * A)
        states = inflow[chunk, :, :, None] * B[chunk, :, None, :]
        for i, decay in enumerate(decays):
            now = states[i].addcmul_(decay, h)
            h = now if store is None else store(now)
            if observe is not None:
                observe(start + i, now)
        outputs.append((states @ C[chunk, :, :, None]).squeeze(-1))
    return (torch.cat(outputs).transpose(0, 1) + D * x) * F.silu(z)
