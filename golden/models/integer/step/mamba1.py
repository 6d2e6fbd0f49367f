"""The layer of an integer Mamba-1 as operations, as :mod:`qse_hw.golden.models.integer.mamba1.array` computes it."""

import numpy as np

from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.mamba1.parameters import Mamba1Layer
from qse_hw.golden.models.integer.step.program import Program, Vector
from qse_hw.golden.models.integer.step.scan import LayerMemory, add_scan


def add_layer(program: Program, number: int, layer: Mamba1Layer, residual: FixedPoint, stream: Vector) -> LayerMemory:
    """Adds the layer, which changes the residual stream (m); gives its memory."""
    f = layer.formats
    hidden = program.normalize("norm", layer.norm, stream, f.norm)
    conv_input = program.product("conv_input", layer.conv_input, hidden, f.conv_input)
    gate = program.product("gate", layer.gate, hidden, f.gate)
    conv_sum, window = program.convolve(layer.conv, conv_input, f.conv_sum)
    memory = LayerMemory(number, window, np.zeros((program.sequences, *layer.A.T.shape), np.int32))
    x = program.encode("x", program.look_up(layer.silu, conv_sum), layer.x_scale, f.x.format)
    dt_low = program.product("dt_low", layer.dt_low, x, f.dt_low)
    B = program.product("B", layer.B, x, f.B)
    C = program.product("C", layer.C, x, f.C)
    dt = program.product("dt", layer.dt, dt_low, f.dt)
    dt_sum = program.add_bias("dt_sum", dt, layer.dt_shift, layer.dt_bias, f.dt_sum)
    delta = program.look_up(layer.softplus, dt_sum)
    rates = np.ldexp(layer.A.T.astype(np.float64, order="C"), -layer.to_exponent)
    y = add_scan(program, layer.scan, f, memory, (x, delta, B, C), rates, 1)
    gated = program.gate(y, program.look_up(layer.silu_gate, gate), layer.gated_shift, f.gated)
    codes = program.encode("y", program.hadamard(gated, f.gated.bits), layer.y_scale, f.y.format)
    program.add_to(stream, program.product("out", layer.out, codes, residual), residual)
    return memory
