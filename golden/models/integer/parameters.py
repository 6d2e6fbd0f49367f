"""The integers of a quantized model (weights, multipliers, biases), from a checkpoint and its formats.

A multiplier ``M * 2**-k`` converts integers of one unit (a sum of products, for example) to the unit of the next
tensor: the step of its format, or of fixed point.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.models.integer.formats import (
    LOCAL_BITS,
    ChannelFormat,
    Decays,
    FixedPoint,
    Granularity,
    LayerFormats,
    Local,
    ModelFormats,
    channel_exponents,
    local_exponent,
)
from qse_hw.golden.models.integer.functions import Unit
from qse_hw.golden.models.mamba.checkpoint import fingerprint
from qse_hw.golden.models.mamba.model import Block, Mamba, MambaConfig
from qse_hw.golden.quantize import array

Integers = npt.NDArray[np.int64]
MAX_WEIGHT, MAX_SUM = 127, (1 << 31) - 1
MIN_SHIFT, MAX_SHIFT = 9, 62  # a position has at most 9 bits more than its units, see formats.segmented.Segment
LOG2_E = 1.4426950408889634


class Multiplier(NamedTuple):
    """``M * 2**-k`` for every row, int64; M has 16 bits."""

    M: Integers
    k: Integers


@dataclass(frozen=True, kw_only=True)
class Product:
    """A matrix of int8 weights (outputs, inputs), and the multipliers of its sums."""

    weights: Integers
    by: Multiplier


@dataclass(frozen=True, kw_only=True)
class Norm:
    """``eps`` in squares of the residual's unit, times d_model; the scale of the codes over sqrt(d_model)."""

    eps: int
    scale: Scale
    format: SegmentedFormat


@dataclass(frozen=True, kw_only=True)
class Layer:
    """The integers of a layer, as :mod:`qse_hw.golden.models.integer.scalar` uses them.

    Attributes:
        taps: int8 (d, width), the oldest first; ``conv_bias``, ``conv_by``: (d).
        silu, softplus, silu_gate: of the convolution's sum, dt_sum and the gate.
        x_scale: x's scale for inputs of SiLU's type.
        dt_shift, dt_bias: how far dt is shifted left to dt_sum's unit, and the bias added there (d).
        A: positive integers (d, n).
        to_exponent: how far delta A is shifted right to have 16 fraction bits; negative: left.
        inflow: multipliers of delta x, to its unit (d).
        inflow_shift: how far delta x B is shifted left to the state's unit with 15 fraction bits (d).
        D: x's weight in units of C h (d).
        scan_shift: how far C h is shifted right (d).
        gated_shift: how far the gated output is shifted right.
        y_scale: y's scale for inputs of the unnormalized transform of the gated output.
    """

    formats: LayerFormats
    norm: Norm
    conv_input: Product
    gate: Product
    taps: Integers
    conv_bias: Integers
    conv_by: Multiplier
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
    inflow: Multiplier
    inflow_shift: Integers
    D: Integers
    scan_shift: Integers
    silu_gate: Unit
    gated_shift: int
    y_scale: Scale
    out: Product


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The integers of a model: rows of the embedding with their multipliers, layers, the last norm, the head."""

    formats: ModelFormats
    embedding: Product
    layers: tuple[Layer, ...]
    norm_f: Norm
    head: Product



def quantize_rows(weight: Tensor, granularity: Granularity, where: str) -> tuple[Integers, list[Fraction]]:
    """int8 codes (outputs, inputs) and every row's step: the peak of the row, or matrix, over 127; half to even."""
    w = weight.detach().double().cpu().numpy()
    if not np.isfinite(w).all():
        raise InputError(f"{where} must be finite, but has NaN or infinity; check the checkpoint")
    peaks = np.abs(w).max(axis=1)
    if granularity == "tensor":
        peaks[:] = peaks.max()
    peaks[peaks == 0] = 1.0
    codes = np.rint(w * MAX_WEIGHT / peaks[:, None]).astype(np.int64)
    return codes, [Fraction(peak) / MAX_WEIGHT for peak in peaks.tolist()]


def multipliers(ratios: list[Fraction], where: str, least: int = MIN_SHIFT) -> Multiplier:
    """The multipliers nearest to ``ratios``, each a sum's unit over the next tensor's. k is at least ``least``."""
    scales = []
    for ratio in ratios:
        try:
            scale = Scale.from_step(1 / ratio)
        except InputError as error:
            raise InputError(f"{where}: a multiplier does not fit: {error}; calibrate again") from error
        scales.append(scale)
        if scale.k < least:
            raise InputError(
                f"{where}: multipliers must be below {1 << (16 - least)}, not {float(ratio):.4g}: a scale is too "
                "small; calibrate again"
            )
    return Multiplier(
        np.array([scale.M for scale in scales]), np.array([min(scale.k, MAX_SHIFT) for scale in scales])
    )


def fine_step(operand: SegmentedQuantizer) -> Fraction:
    """The value of the integer 1 of an operand."""
    return operand.scale.step / Fraction(2) ** operand.format.fraction_bits


def unit_of(local: Local | ChannelFormat) -> Fraction | list[Fraction]:
    """The unit after a local tensor's multiplier: its format's step s (of every channel), or the fixed-point step."""
    if isinstance(local, ChannelFormat):
        return [Fraction(2) ** (exponent + local.format.fraction_bits) for exponent in local.exponents]
    return local.scale.step if isinstance(local, SegmentedQuantizer) else local.step


def reach_of(operand: SegmentedQuantizer) -> int:
    """The greatest magnitude of its integers."""
    return max(abs(value) for value in operand.format.values.values())


def product(
    weight: Tensor,
    operand: SegmentedQuantizer,
    unit: Fraction | list[Fraction],
    granularity: Granularity,
    where: str,
) -> Product:
    """The product of a matrix (outputs, inputs) with an operand, in units of ``unit``: one, or one for every row.

    Raises:
        InputError: if a sum can leave int32, whatever the codes, or a multiplier does not fit.
    """
    codes, steps = quantize_rows(weight, granularity, where)
    steps = [step * fine_step(operand) for step in steps]
    reach = int(np.abs(codes).sum(axis=1).max()) * reach_of(operand)
    if reach > MAX_SUM:
        raise InputError(
            f"{where}: sums must fit into int32, but reach {reach} with format {operand.format.name}; use a format "
            "with a smaller reach or fewer inputs"
        )
    units = unit if isinstance(unit, list) else [unit] * len(steps)
    return Product(
        weights=codes, by=multipliers([step / one for step, one in zip(steps, units, strict=True)], where)
    )


def norm(format: SegmentedQuantizer, residual: FixedPoint, width: int, eps: float) -> Norm:
    """The integers of an RMSNorm before a product."""
    scale = Scale.from_step(float(format.scale.step) / width**0.5)
    return Norm(eps=max(1, round(width * Fraction(eps) / residual.step**2)), scale=scale, format=format.format)


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
    block: Block, formats: LayerFormats, residual: FixedPoint, granularity: Granularity, layer: int
) -> Layer:
    """The integers of a layer of a transformed Mamba-1.

    Raises:
        InputError: naming layer and tensor, where formats do not fit the weights.
    """
    mixer: Any = block.mixer
    where, f = f"Layer {layer}", formats
    channels = len(mixer.A_log)
    in_proj, x_proj = mixer.in_proj.weight, mixer.x_proj.weight
    low, B, C = x_proj.split(mixer.split)

    taps, tap_steps = quantize_rows(mixer.conv1d.weight.squeeze(1), "row", f"{where}, conv1d")
    conv_exponents = channel_exponents(f.conv_input, channels)
    conv_steps = [step * Fraction(2) ** own for step, own in zip(tap_steps, conv_exponents, strict=True)]
    conv_bias = [round(Fraction(b) / step) for b, step in zip(mixer.conv1d.bias.tolist(), conv_steps, strict=True)]

    to_exponent = -16 - (f.delta.exponent + f.A.exponent)

    state = [*f.state.exponents] if len(f.state.exponents) == channels else [*f.state.exponents] * channels
    inflow = [*f.inflow] if len(f.inflow) == channels else [*f.inflow] * channels
    x_step, B_exponent, C_exponent = fine_step(f.x), local_exponent(f.B), local_exponent(f.C)
    inflow_shift = np.array([own + B_exponent - (unit - 15) for own, unit in zip(inflow, state, strict=True)])
    scan_shift = np.array([f.scan.exponent - (unit + C_exponent) for unit in state])
    dt_shift = np.array(channel_exponents(f.dt, channels)) - f.dt_sum.exponent
    for name, shift in (("inflow", inflow_shift), ("scan", scan_shift), ("dt", dt_shift)):
        if shift.min() < 0 or shift.max() > 31:
            raise InputError(
                f"{where}: {name} must be shifted by 0 to 31 places, not {shift.min()} to {shift.max()}: its exponents "
                "do not suit those of what it is added to; calibrate again"
            )
    units = [Fraction(2) ** (unit + C_exponent) for unit in state]
    D = [round(Fraction(d) * x_step / unit) for d, unit in zip(mixer.D.tolist(), units, strict=True)]
    gated_shift = f.gated.exponent - f.scan.exponent - f.silu_gate.exponent
    return Layer(
        formats=f,
        norm=norm(f.norm, residual, block.norm.weight.shape[0], block.norm.eps),
        conv_input=product(in_proj[:channels], f.norm, unit_of(f.conv_input), granularity, f"{where}, in_proj"),
        gate=product(in_proj[channels:], f.norm, unit_of(f.gate), granularity, f"{where}, in_proj"),
        taps=taps,
        conv_bias=np.array(conv_bias),
        conv_by=multipliers([step / f.conv_sum.step for step in conv_steps], f"{where}, conv1d"),
        silu=Unit("silu", f.conv_sum, f.conv_sum),
        x_scale=Scale.from_step(f.x.scale.step / f.conv_sum.step),
        dt_low=product(low, f.x, f.dt_low.scale.step, granularity, f"{where}, x_proj"),
        B=product(B, f.x, unit_of(f.B), granularity, f"{where}, x_proj"),
        C=product(C, f.x, unit_of(f.C), granularity, f"{where}, x_proj"),
        dt=product(mixer.dt_proj.weight, f.dt_low, unit_of(f.dt), granularity, f"{where}, dt_proj"),
        dt_shift=dt_shift,
        dt_bias=np.array([round(Fraction(b) / f.dt_sum.step) for b in mixer.dt_proj.bias.tolist()]),
        softplus=Unit("softplus", f.dt_sum, f.delta),
        A=decays(mixer.A_log, f.A, where),
        to_exponent=to_exponent,
        inflow=multipliers([f.delta.step * x_step / Fraction(2) ** unit for unit in inflow], f"{where}, inflow", 1),
        inflow_shift=inflow_shift,
        D=np.array(D),
        scan_shift=scan_shift,
        silu_gate=Unit("silu", FixedPoint(bits=LOCAL_BITS, exponent=local_exponent(f.gate)), f.silu_gate),
        gated_shift=gated_shift,
        y_scale=Scale.from_step(float(f.y.scale.step / f.gated.step) * channels**0.5),
        out=product(mixer.out_proj.weight, f.y, residual.step, granularity, f"{where}, out_proj"),
    )


def model_parameters(model: Mamba, formats: ModelFormats) -> Parameters:
    """The integers of a Mamba-1 as it was trained; applies the transformations.

    Raises:
        InputError: for a Mamba-2, formats of another checkpoint, or formats that do not fit the weights.
    """
    if not isinstance(model.config, MambaConfig):
        raise InputError("Model must be a Mamba-1, not a Mamba-2; the integer model has no other mixer yet")
    formats.check(fingerprint(model), model.config.n_layer)
    changed, residual, granularity = formats.transformations.model(model), formats.residual, formats.weights
    codes, steps = quantize_rows(changed.backbone.embedding.weight, "row", "Embedding")
    return Parameters(
        formats=formats,
        embedding=Product(
            weights=codes, by=multipliers([step / residual.step for step in steps], "Embedding")
        ),
        layers=tuple(
            layer_parameters(block, layer, residual, granularity, number)
            for number, (block, layer) in enumerate(zip(changed.blocks, formats.layers, strict=True))
        ),
        norm_f=norm(formats.norm_f, residual, model.config.d_model, model.config.eps),
        head=product(changed.lm_head.weight, formats.norm_f, formats.logits.step, granularity, "Head"),
    )
