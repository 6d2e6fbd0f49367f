"""The layer of an integer Mamba-2 as operations, as :mod:`qse_hw.golden.models.integer.mamba2.array` computes it."""

import numpy as np

from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.mamba2.parameters import Mamba2Layer
from qse_hw.golden.models.integer.step.program import Program, Vector
from qse_hw.golden.models.integer.step.scan import LayerMemory, add_scan


def add_layer(program: Program, number: int, layer: Mamba2Layer, residual: FixedPoint, stream: Vector) -> LayerMemory:
    """Adds the layer, which changes the residual stream (m); gives its memory."""
    f, config = layer.formats, layer.config
    channels, states = config.d_inner, config.ngroups * config.d_state
    hidden = program.normalize("norm", layer.norm, stream, f.norm)
    gate = program.product("gate", layer.gate, hidden, f.gate)
    conv_input = program.product("conv_input", layer.conv_input, hidden, f.conv_input)
    dt = program.product("dt", layer.dt, hidden, f.dt)
    conv_sum, window = program.convolve(layer.conv, conv_input, f.conv_sum)
    memory = LayerMemory(number, window, np.zeros((program.sequences, config.d_state, channels), np.int32))
    xbc = program.look_up(layer.silu, conv_sum)
    x = program.encode("x", xbc[:channels], layer.x_scale, f.x.format)
    B = program.convert("B", xbc[channels : channels + states], layer.silu.output.exponent, f.B)
    C = program.convert("C", xbc[channels + states :], layer.silu.output.exponent, f.C)
    dt_sum = program.add_bias("dt_sum", dt, -layer.dt_shift, layer.dt_bias, f.dt_sum)
    delta = program.look_up(layer.softplus, dt_sum)
    rates = np.ldexp(layer.A.astype(np.float64), -layer.to_exponent).repeat(config.headdim)
    y = add_scan(program, layer.scan, f, memory, (x, delta, B, C), rates, config.ngroups)
    gated = program.gate(y, program.look_up(layer.silu_gate, gate), layer.gated_shift, f.gated)
    normalized = program.normalize("normalized", layer.gated_norm, gated, f.normalized, config.ngroups)
    codes = program.encode("y", program.hadamard(normalized, f.normalized.bits), layer.y_scale, f.y.format)
    program.add_to(stream, program.product("out", layer.out, codes, residual), residual)
    return memory
