"""The integers of a Mamba-1's layer, from a transformed checkpoint and its formats."""

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
    channel_exponents,
)
from qse_hw.golden.models.integer.functions import Unit, input_of, silu_unit
from qse_hw.golden.models.integer.mamba1.formats import Decays, Mamba1Formats
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
from qse_hw.golden.models.integer.scan import Scan, check_shifts, scan
from qse_hw.golden.models.mamba.model import Block
from qse_hw.golden.quantize import array

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Mamba1Layer:
    """The integers of a layer, as :mod:`qse_hw.golden.models.integer.mamba1.scalar` uses them.

    Attributes:
        silu, softplus, silu_gate: of the convolution's sum, dt_sum and the gate.
        x_scale: x's scale for outputs of ``silu``.
        dt_shift, dt_bias: how far dt is shifted left to dt_sum's unit, and the bias added there (d).
        A: positive integers (d, n).
        to_exponent: how far delta A is shifted right to have 16 fraction bits; negative: left.
        gated_shift: how far the gated output is shifted right.
        y_scale: y's scale for inputs of the unnormalized transform of the gated output.
    """

    formats: Mamba1Formats
    norm: Norm
    conv_input: Product
    gate: Product
    conv: Convolution
    silu: Unit
    x_scale: Scale
    dt_low: Product
    B: Product
    C: Product
    dt: Product
    dt_shift: Integers
    dt_bias: Integers
    softplus: Unit
    A: Integers
    to_exponent: int
    scan: Scan
    silu_gate: Unit
    gated_shift: int
    y_scale: Scale
    out: Product


def decays(A_log: Tensor, to: Decays, where: str) -> Integers:
    """-A log2(e) in units (d, n), as it is stored.

    Raises:
        InputError: for another number of states, or a value that is rounded to 0 or less.
    """
    if A_log.shape[1] != len(to.base):
        raise InputError(f"{where}: A must have a base for each of {A_log.shape[1]} states, not {len(to.base)}")
    base, shifts = np.array(to.base), np.array(to.shifts)
    units = np.ldexp(A_log.detach().double().exp().numpy() * LOG2_E, -to.exponent)
    codes = array.quantize(np.ldexp(units - base, -shifts), to.format, Scale.from_step(2**to.format.fraction_bits))
    stored: Integers = base + (array.dequantize_integers(codes, to.format).astype(np.int64) << shifts)
    if stored.min() <= 0:
        raise InputError(f"{where}: A must stay negative when it is rounded, and does not; calibrate again")
    return stored


def layer_parameters(
    block: Block, formats: Mamba1Formats, residual: FixedPoint, granularity: Granularity, layer: int
) -> Mamba1Layer:
    """The integers of a layer of a transformed Mamba-1.

    Raises:
        InputError: naming layer and tensor, where formats do not fit the weights.
    """
    mixer: Any = block.mixer
    where, f = f"Layer {layer}", formats
    channels = len(mixer.A_log)
    in_proj, x_proj = mixer.in_proj.weight, mixer.x_proj.weight
    low, B, C = x_proj.split(mixer.split)

    to_exponent = -EXP2.INPUT_FRACTION - (f.delta.exponent + f.A.exponent)

    dt_shift = np.array(channel_exponents(f.dt, channels)) - f.dt_sum.exponent
    check_shifts(dt_shift, f"{where}: dt")
    gated_shift = f.gated.exponent - f.scan.exponent - f.silu_gate.exponent
    return Mamba1Layer(
        formats=f,
        norm=norm(f.norm.scale.step, residual, block.norm.weight.shape[0], block.norm.eps, f"{where}, norm"),
        conv_input=product(in_proj[:channels], f.norm, unit_of(f.conv_input), granularity, f"{where}, in_proj"),
        gate=product(in_proj[channels:], f.norm, unit_of(f.gate), granularity, f"{where}, in_proj"),
        conv=convolution(
            mixer.conv1d.weight, mixer.conv1d.bias, f.conv_input, f.conv_sum,
            f"{where}, conv1d",
        ),
        silu=silu_unit(f.conv_sum),
        x_scale=Scale.from_step(f.x.scale.step / silu_unit(f.conv_sum).output.step),
        dt_low=product(low, f.x, f.dt_low.scale.step, granularity, f"{where}, x_proj"),
        B=product(B, f.x, unit_of(f.B), granularity, f"{where}, x_proj"),
        C=product(C, f.x, unit_of(f.C), granularity, f"{where}, x_proj"),
        dt=product(mixer.dt_proj.weight, f.dt_low, unit_of(f.dt), granularity, f"{where}, dt_proj"),
        dt_shift=dt_shift,
        dt_bias=np.array([round(Fraction(b) / f.dt_sum.step) for b in mixer.dt_proj.bias.tolist()]),
        softplus=Unit("softplus", f.dt_sum, f.delta),
        A=decays(mixer.A_log, f.A, where),
        to_exponent=to_exponent,
        scan=scan(f, mixer.D.tolist(), mixer.A_log.shape[1], where),
        silu_gate=Unit("silu", input_of(f.gate), f.silu_gate),
        gated_shift=gated_shift,
        y_scale=Scale.from_step(float(f.y.scale.step / f.gated.step) * channels**0.5),
        out=product(mixer.out_proj.weight, f.y, residual.step, granularity, f"{where}, out_proj"),
    )


