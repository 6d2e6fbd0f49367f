"""The layer of an integer Mamba-2 on arrays, bit-exact with :mod:`qse_hw.golden.models.integer.mamba2.scalar`.

Shapes: batch b, length l, ``d_model`` m, ``d_inner`` d in h heads of p channels, SSD groups g, ``d_state`` n.
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
from qse_hw.golden.models.integer.mamba2.parameters import Mamba2Layer
from qse_hw.golden.models.integer.scalar_arithmetic import Saturated
from qse_hw.golden.reference.hadamard import transform


class Mamba2Array(ArrayArithmetic):
    """The layer.

    Args:
        number: the layer's.
        layer: its integers.
        residual: type of the residual stream.
        saturated: is counted up.
    """

    def __init__(self, number: int, layer: Mamba2Layer, residual: FixedPoint, saturated: Saturated) -> None:
        super().__init__(number, saturated)
        self.layer, self.residual, self._first_word = layer, residual, number + 1

    def start(self, batch: int) -> LayerState:
        """The empty state of ``batch`` sequences."""
        config = self.layer.config
        return LayerState(
            window=np.zeros((batch, config.d_xbc, config.d_conv - 1)),
            h=np.zeros((batch, config.d_inner, config.d_state)),
            word=self._first_word,
        )

    def forward(self, residual: Floats, state: LayerState) -> Floats:
        """What the layer adds to the residual stream (b, l, m); the state moves on."""
        layer, f, config = self.layer, self.layer.formats, self.layer.config
        hidden = self.normalize("norm", layer.norm, residual, f.norm)
        gate = self.product("gate", layer.gate, hidden, f.gate)
        conv_input = self.product("conv_input", layer.conv_input, hidden, f.conv_input)
        dt = self.product("dt", layer.dt, hidden, f.dt)
        xbc = layer.silu.array(self.convolve(layer.conv, state, conv_input, f.conv_sum)).astype(np.float64)
        x, B, C = np.split(xbc, (config.d_inner, config.d_inner + config.ngroups * config.d_state), axis=-1)
        x = self.encode("x", x, layer.x_scale, f.x.format)
        B = self.convert("B", B, layer.silu.output.exponent, f.B)
        C = self.convert("C", C, layer.silu.output.exponent, f.C)
        total = self.fixed("dt_sum", dt * 2.0**-layer.dt_shift + layer.dt_bias, f.dt_sum)
        y = self._scan(state, x, layer.softplus.array(total.astype(np.int64)).astype(np.float64), B, C)
        y *= layer.silu_gate.array(gate.astype(np.int64))
        gated = self.fixed("gated", np.ldexp(y, -layer.gated_shift), f.gated)
        groups = gated.reshape(*gated.shape[:-1], config.ngroups, -1)
        normalized = self.normalize("normalized", layer.gated_norm, groups, f.normalized).reshape(gated.shape)
        rotated = transform(normalized.astype(np.int64)).astype(np.float64)
        codes = self.encode("y", rotated, layer.y_scale, f.y.format)
        return self.product("out", layer.out, codes, self.residual)

    def _scan(self, state: LayerState, x: Floats, delta: Floats, B: Floats, C: Floats) -> Floats:
        """C h + D x (b, l, d), of time steps (b, l, h)."""
        layer, config = self.layer, self.layer.config
        groups = (*B.shape[:2], config.ngroups, config.d_state)
        A = np.ldexp(layer.A.astype(np.float64), -layer.to_exponent)

        def decays_of(chunk: slice) -> Floats:
            by_head = decays(time_first(delta, chunk) * A)
            return by_head.repeat(config.headdim, axis=-1).reshape(*by_head.shape[:2], config.ngroups, -1, 1)

        by_channel, B, C = delta.repeat(config.headdim, axis=-1), B.reshape(groups), C.reshape(groups)
        return self.scan(layer.scan, layer.formats, state, x, by_channel, decays_of, B, C)
