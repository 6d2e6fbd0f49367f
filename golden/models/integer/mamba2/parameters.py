"""The integers of a Mamba-2's layer, from a transformed checkpoint and its formats."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.functions.exponential import EXP2
from qse_hw.golden.models.integer.formats import (
    FixedPoint,
    Granularity,
    local_exponent,
)
from qse_hw.golden.models.integer.functions import Unit, input_of, silu_unit
from qse_hw.golden.models.integer.mamba2.formats import Mamba2Formats
from qse_hw.golden.models.integer.products import (
    LOG2_E,
    Convolution,
    Norm,
    Product,
    convolution,
    norm,
    product,
    unit_of,
)
from qse_hw.golden.models.integer.scan import Scan, scan
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Block

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Mamba2Layer:
    """The integers of a layer, as :mod:`qse_hw.golden.models.integer.mamba2.scalar` uses them.

    Sizes: d channels in h heads, g SSD groups, d_state n.

    Attributes:
        config: sizes of the model.
        conv: of x over B over C.
        silu, softplus, silu_gate: of the convolution's sum, dt_sum and the gate.
        x_scale: x's scale for outputs of ``silu``.
        dt_shift, dt_bias: how far dt is shifted right to dt_sum's unit (negative: left), and the bias added there (h).
        A: positive integers (h).
        to_exponent: how far delta A is shifted right to have 16 fraction bits; negative: left.
        scan: of the channels.
        gated_shift: how far the gated output is shifted right.
        gated_norm: of the gated output, each SSD group by itself.
        y_scale: y's scale for inputs of the unnormalized transform of the normalized output.
    """

    formats: Mamba2Formats
    config: Mamba2Config
    norm: Norm
    gate: Product
    conv_input: Product
    dt: Product
    conv: Convolution
    silu: Unit
    x_scale: Scale
    dt_shift: int
    dt_bias: Integers
    softplus: Unit
    A: Integers
    to_exponent: int
    scan: Scan
    silu_gate: Unit
    gated_shift: int
    gated_norm: Norm
    y_scale: Scale
    out: Product


def decay_rates(A_log: Tensor, to: FixedPoint, where: str) -> Integers:
    """-A log2(e) in units (h), as it is stored.

    Raises:
        InputError: for a value that is rounded to 0, or to more than the type holds.
    """
    stored: Integers = np.rint(np.ldexp(A_log.detach().double().exp().numpy() * LOG2_E, -to.exponent)).astype(np.int64)
    if stored.min() <= 0 or stored.max() > to.high:
        raise InputError(f"{where}: A must be from 1 to {to.high} units, not {stored.min()} to {stored.max()}")
    return stored


def layer_parameters(
    block: Block, formats: Mamba2Formats, residual: FixedPoint, granularity: Granularity, layer: int
) -> Mamba2Layer:
    """The integers of a layer of a transformed Mamba-2.

    Raises:
        InputError: naming layer and tensor, where formats do not fit the weights.
    """
    mixer: Any = block.mixer
    where, f = f"Layer {layer}", formats
    config: Mamba2Config = mixer.config
    channels, groups, heads = config.d_inner, config.ngroups, config.n_heads
    z, xbc, dt = mixer.in_proj.weight.split([channels, config.d_xbc, heads])

    D = mixer.D.repeat_interleave(config.headdim).tolist()
    return Mamba2Layer(
        formats=f,
        config=config,
        norm=norm(f.norm.scale.step, residual, config.d_model, block.norm.eps, f"{where}, norm"),
        gate=product(z, f.norm, unit_of(f.gate), granularity, f"{where}, in_proj"),
        conv_input=product(xbc, f.norm, unit_of(f.conv_input), granularity, f"{where}, in_proj"),
        dt=product(dt, f.norm, unit_of(f.dt), granularity, f"{where}, in_proj"),
        conv=convolution(
            mixer.conv1d.weight, mixer.conv1d.bias, f.conv_input, f.conv_sum,
            f"{where}, conv1d",
        ),
        silu=silu_unit(f.conv_sum),
        x_scale=Scale.from_step(f.x.scale.step / silu_unit(f.conv_sum).output.step),
        dt_shift=f.dt_sum.exponent - local_exponent(f.dt),
        dt_bias=np.array([round(Fraction(b) / f.dt_sum.step) for b in mixer.dt_bias.tolist()]),
        softplus=Unit("softplus", f.dt_sum, f.delta),
        A=decay_rates(mixer.A_log, f.A, where),
        to_exponent=-EXP2.INPUT_FRACTION - (f.delta.exponent + f.A.exponent),
        scan=scan(f, D, config.d_state, where),
        silu_gate=Unit("silu", input_of(f.gate), f.silu_gate),
        gated_shift=f.gated.exponent - f.scan.exponent - f.silu_gate.exponent,
        gated_norm=norm(f.normalized.step, f.gated, channels // groups, mixer.norm.eps, f"{where}, normalized"),
        y_scale=Scale.from_step(float(f.y.scale.step / f.normalized.step) * channels**0.5),
        out=product(mixer.out_proj.weight, f.y, residual.step, granularity, f"{where}, out_proj"),
    )  # fmt: skip
