"""The layer of an integer Mamba-1 in Python integers, one token at a time: the readable reference.

:mod:`qse_hw.golden.models.integer.mamba1.array` is bit-exact with it.
Sizes: ``d_model`` m, ``d_inner`` d, ``d_state`` n, ``dt_rank`` r.
"""

from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.mamba1.parameters import Mamba1Layer
from qse_hw.golden.models.integer.scalar_arithmetic import (
    Numbers,
    Recurrence,
    Saturated,
    ScalarArithmetic,
    decay,
    hadamard,
    shift,
)


class Mamba1Scalar(ScalarArithmetic):
    """The layer and its state in one sequence.

    Args:
        number: the layer's.
        layer: its integers.
        residual: type of the residual stream.
        saturated: is counted up.

    Attributes:
        window: the convolution's last inputs (d, width - 1).
        h: the SSM state (d, n).
        word: the LFSR's.
    """

    def __init__(self, number: int, layer: Mamba1Layer, residual: FixedPoint, saturated: Saturated) -> None:
        super().__init__(number, saturated)
        self.layer, self.residual = layer, residual
        self.window = [[0] * (layer.conv.taps.shape[1] - 1) for _ in layer.conv.taps]
        self.h = [[0] * layer.A.shape[1] for _ in layer.A]

    def step(self, residual: Numbers) -> Numbers:
        """What the layer adds to the residual stream (m)."""
        layer, f = self.layer, self.layer.formats
        hidden = self.normalize("norm", layer.norm, residual, f.norm)
        conv_input = self.product("conv_input", layer.conv_input, hidden, f.conv_input)
        gate = self.product("gate", layer.gate, hidden, f.gate)
        conv_sum = self.convolve(layer.conv, self.window, conv_input, f.conv_sum)
        x = [self.encode("x", layer.silu.scalar(total), layer.x_scale, f.x.format) for total in conv_sum]
        dt_low = self.product("dt_low", layer.dt_low, x, f.dt_low)
        B = self.product("B", layer.B, x, f.B)
        C = self.product("C", layer.C, x, f.C)
        dt = self.product("dt", layer.dt, dt_low, f.dt)
        totals = [
            self.saturate("dt_sum", (value << places) + bias, f.dt_sum.high)
            for value, places, bias in zip(dt, layer.dt_shift.tolist(), layer.dt_bias.tolist(), strict=True)
        ]
        y = []
        for channel, total in enumerate(totals):
            delta = layer.softplus.scalar(total)
            decays = [decay(delta, int(A), layer.to_exponent) for A in layer.A[channel]]
            recurrence = Recurrence(decays, B, C)
            y.append(self.scan(layer.scan, channel, f, self.h[channel], x[channel], delta, recurrence))
        gated = [
            self.saturate("gated", shift(value * layer.silu_gate.scalar(g), layer.gated_shift), f.gated.high)
            for value, g in zip(y, gate, strict=True)
        ]
        codes = [self.encode("y", value, layer.y_scale, f.y.format) for value in hadamard(gated)]
        return self.product("out", layer.out, codes, self.residual)
