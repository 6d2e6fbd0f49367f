"""The layer of an integer Mamba-2 in Python integers, one token at a time: the readable reference.

:mod:`qse_hw.golden.models.integer.mamba2.array` is bit-exact with it.
Sizes: ``d_model`` m, ``d_inner`` d in h heads of p channels, SSD groups g, ``d_state`` n.
"""

from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.mamba2.parameters import Mamba2Layer
from qse_hw.golden.models.integer.scalar_arithmetic import (
    Numbers,
    Recurrence,
    Saturated,
    ScalarArithmetic,
    decay,
    hadamard,
    shift,
)


class Mamba2Scalar(ScalarArithmetic):
    """The layer and its state in one sequence.

    Args:
        number: the layer's.
        layer: its integers.
        residual: type of the residual stream.
        saturated: is counted up.

    Attributes:
        window: the convolution's last inputs (d + 2 g n, width - 1).
        h: the SSM state (d, n).
        word: the LFSR's.
    """

    def __init__(self, number: int, layer: Mamba2Layer, residual: FixedPoint, saturated: Saturated) -> None:
        super().__init__(number, saturated)
        self.layer, self.residual, config = layer, residual, layer.config
        self.window = [[0] * (config.d_conv - 1) for _ in range(config.d_xbc)]
        self.h = [[0] * config.d_state for _ in range(config.d_inner)]

    def step(self, residual: Numbers) -> Numbers:
        """What the layer adds to the residual stream (m)."""
        layer, f, channels = self.layer, self.layer.formats, self.layer.config.d_inner
        hidden = self.normalize("norm", layer.norm, residual, f.norm)
        gate = self.product("gate", layer.gate, hidden, f.gate)
        conv_input = self.product("conv_input", layer.conv_input, hidden, f.conv_input)
        dt = self.product("dt", layer.dt, hidden, f.dt)
        conv_sum = self.convolve(layer.conv, self.window, conv_input, f.conv_sum)
        xbc, states = [layer.silu.scalar(total) for total in conv_sum], layer.config.ngroups * layer.config.d_state
        x = [self.encode("x", value, layer.x_scale, f.x.format) for value in xbc[:channels]]
        B = self.convert("B", xbc[channels : channels + states], layer.silu.output.exponent, f.B)
        C = self.convert("C", xbc[channels + states :], layer.silu.output.exponent, f.C)
        totals = [
            self.saturate("dt_sum", shift(value, layer.dt_shift) + bias, f.dt_sum.high)
            for value, bias in zip(dt, layer.dt_bias.tolist(), strict=True)
        ]
        y = self._scan(x, [layer.softplus.scalar(total) for total in totals], B, C)
        gated = [
            self.saturate("gated", shift(value * layer.silu_gate.scalar(g), layer.gated_shift), f.gated.high)
            for value, g in zip(y, gate, strict=True)
        ]
        width, normalized = channels // layer.config.ngroups, []
        for start in range(0, channels, width):
            group = gated[start : start + width]
            normalized += self.normalize("normalized", layer.gated_norm, group, f.normalized)
        codes = [self.encode("y", value, layer.y_scale, f.y.format) for value in hadamard(normalized)]
        return self.product("out", layer.out, codes, self.residual)

    def _scan(self, x: Numbers, delta: Numbers, B: Numbers, C: Numbers) -> Numbers:
        """C h + D x (d)."""
        layer, n, y = self.layer, self.layer.config.d_state, []
        heads_of_group = layer.config.n_heads // layer.config.ngroups
        for channel, value in enumerate(x):
            head = channel // layer.config.headdim
            group = slice(head // heads_of_group * n, (head // heads_of_group + 1) * n)
            rate = decay(delta[head], int(layer.A[head]), layer.to_exponent)
            recurrence = Recurrence([rate] * n, B[group], C[group])
            y.append(
                self.scan(layer.scan, channel, layer.formats, self.h[channel], value, delta[head], recurrence)
            )
        return y
