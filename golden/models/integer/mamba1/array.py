"""The layer of an integer Mamba-1 on arrays, bit-exact with :mod:`qse_hw.golden.models.integer.mamba1.scalar`.

Shapes: batch b, length l, ``d_model`` m, ``d_inner`` d, ``d_state`` n.
"""

import numpy as np

from qse_hw.golden.models.integer.array_arithmetic import (
    ArrayArithmetic,
    Floats,
    LayerState,
    decays,
    time_first,
)
from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.mamba1.parameters import Mamba1Layer
from qse_hw.golden.models.integer.scalar_arithmetic import Saturated
from qse_hw.golden.reference.hadamard import transform


class Mamba1Array(ArrayArithmetic):
    """The layer.

    Args:
        number: the layer's.
        layer: its integers.
        residual: type of the residual stream.
        saturated: is counted up.
    """

    def __init__(self, number: int, layer: Mamba1Layer, residual: FixedPoint, saturated: Saturated) -> None:
        super().__init__(number, saturated)
        self.layer, self.residual, self._first_word = layer, residual, number + 1

    def start(self, batch: int) -> LayerState:
        """The empty state of ``batch`` sequences."""
        channels, width = self.layer.conv.taps.shape
        return LayerState(
            window=np.zeros((batch, channels, width - 1)),
            h=np.zeros((batch, *self.layer.A.shape)),
            word=self._first_word,
        )

    def forward(self, residual: Floats, state: LayerState) -> Floats:
        """What the layer adds to the residual stream (b, l, m); the state moves on."""
        layer, f = self.layer, self.layer.formats
        hidden = self.normalize("norm", layer.norm, residual, f.norm)
        conv_input = self.product("conv_input", layer.conv_input, hidden, f.conv_input)
        gate = self.product("gate", layer.gate, hidden, f.gate)
        conv_sum = self.convolve(layer.conv, state, conv_input, f.conv_sum)
        x = self.encode("x", layer.silu.array(conv_sum).astype(np.float64), layer.x_scale, f.x.format)
        dt_low = self.product("dt_low", layer.dt_low, x, f.dt_low)
        B = self.product("B", layer.B, x, f.B)
        C = self.product("C", layer.C, x, f.C)
        dt = self.product("dt", layer.dt, dt_low, f.dt)
        total = self.saturate("dt_sum", dt * np.ldexp(1.0, layer.dt_shift) + layer.dt_bias, f.dt_sum.high)
        delta = layer.softplus.array(total.astype(np.int64)).astype(np.float64)
        A = np.ldexp(layer.A.astype(np.float64), -layer.to_exponent)

        def decays_of(chunk: slice) -> Floats:
            return decays(time_first(delta, chunk)[:, :, None, :, None] * A)

        y = self.scan(layer.scan, f, state, x, delta, decays_of, B[:, :, None], C[:, :, None])
        y *= layer.silu_gate.array(gate.astype(np.int64))
        gated = self.fixed("gated", np.ldexp(y, -layer.gated_shift), f.gated)
        rotated = transform(gated.astype(np.int64)).astype(np.float64)
        codes = self.encode("y", rotated, layer.y_scale, f.y.format)
        return self.product("out", layer.out, codes, self.residual)
