"""The integers of a quantized model's products and norms: weights and multipliers, from a checkpoint and its formats.

A multiplier ``M * 2**-k`` converts integers of one unit (a sum of products, for example) to the unit of the next
tensor: the step of its format, or of fixed point.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.integer.formats import (
    ChannelFormat,
    FixedPoint,
    Granularity,
    Local,
    ScaledChannels,
    ScaledLocal,
    channel_steps,
    local_reach,
)

Integers = npt.NDArray[np.int64]
MAX_WEIGHT, MAX_SUM, MAX_SQUARES = 127, (1 << 31) - 1, 1 << 62
NARROW = 8
"""The most weights of a row whose step is sought."""
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
class Convolution:
    """Int8 taps (channels, width), the oldest first; the biases and multipliers of their sums (channels)."""

    taps: Integers
    bias: Integers
    by: Multiplier


@dataclass(frozen=True, kw_only=True)
class Norm:
    """``eps`` in squares of the inputs' unit, times their number; the scale of the outputs over its square root."""

    eps: int
    scale: Scale


def quantize_rows(weight: Tensor, granularity: Granularity, where: str) -> tuple[Integers, list[Fraction]]:
    """int8 codes (outputs, inputs) and every row's step; half to even.

    A step is the peak of the row, or matrix, over 127. Of rows of up to 8 weights, such as the convolution's, it is the
    row's peak over the number from 64 to 127 that gives the least squared error: few weights may well meet a grid.
    """
    w = weight.detach().double().cpu().numpy()
    if not np.isfinite(w).all():
        raise InputError(f"{where} must be finite, but has NaN or infinity; check the checkpoint")
    peaks = np.abs(w).max(axis=1)
    if granularity == "tensor":
        peaks[:] = peaks.max()
    peaks[peaks == 0] = 1.0
    highest = np.full(len(w), MAX_WEIGHT)
    if granularity == "row" and w.shape[1] <= NARROW:
        highest = _best_of_narrow_rows(w, peaks)
    codes = np.rint(w * highest[:, None] / peaks[:, None]).astype(np.int64)
    return codes, [Fraction(peak) / high for peak, high in zip(peaks.tolist(), highest.tolist(), strict=True)]


def _best_of_narrow_rows(w: npt.NDArray[np.float64], peaks: npt.NDArray[np.float64]) -> Integers:
    """The peak's code in every row; the larger one of two that are as good."""
    candidates = np.arange(MAX_WEIGHT, MAX_WEIGHT // 2, -1)
    units = w[:, None, :] * candidates[:, None] / peaks[:, None, None]  # (outputs, candidates, inputs)
    errors = np.square((units - np.rint(units)) / candidates[:, None]).sum(axis=-1)
    best: Integers = candidates[errors.argmin(axis=1)]
    return best


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
                f"{where}: multipliers must be below {1 << (16 - least)}, not {float(ratio):.4g}: the "
                "result's unit is too fine for its operand; give the operand more bits, or the result fewer fraction "
                "bits"
            )
    return Multiplier(
        np.array([scale.M for scale in scales]), np.array([min(scale.k, MAX_SHIFT) for scale in scales])
    )


def reachable_exponent(weight: Tensor, operand: SegmentedQuantizer, exponent: int, granularity: Granularity) -> int:
    """``exponent`` of a product's unit, raised until the multipliers are below 2^(15 - MIN_SHIFT), half their limit."""
    _, steps = quantize_rows(weight, granularity, "Weight")
    while max(steps) * fine_step(operand) >= Fraction(2) ** (exponent + 15 - MIN_SHIFT):
        exponent += 1
    return exponent


def fine_step(operand: SegmentedQuantizer) -> Fraction:
    """The value of the integer 1 of an operand."""
    return operand.scale.step / Fraction(2) ** operand.format.fraction_bits


def unit_of(local: Local | ChannelFormat | ScaledChannels) -> Fraction | list[Fraction]:
    """The unit after a local tensor's multiplier: its format's step s (of every channel), or the fixed-point step."""
    if isinstance(local, ChannelFormat):
        return [Fraction(2) ** (exponent + local.format.fraction_bits) for exponent in local.exponents]
    if isinstance(local, ScaledChannels):
        return [scale.step for scale in local.scales]
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
        InputError: if a sum can leave int32, whatever the codes, a multiplier does not fit, or ``unit`` is that of
            another number of rows.
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
    if len(units) != len(steps):
        raise InputError(
            f"{where}: the format of the results must have a step for each of {len(steps)} rows, not {len(units)}; "
            "calibrate again"
        )
    return Product(
        weights=codes, by=multipliers([step / one for step, one in zip(steps, units, strict=True)], where)
    )


def convolution(
    weight: Tensor, bias: Tensor, inputs: ScaledLocal, to: FixedPoint, where: str
) -> Convolution:
    """The depthwise convolution of a weight (channels, 1, width).

    Raises:
        InputError: if a sum can leave int32, whatever the inputs, or a multiplier does not fit.
    """
    taps, steps = quantize_rows(weight.squeeze(1), "row", where)
    units = [step * own for step, own in zip(steps, channel_steps(inputs, len(taps)), strict=True)]
    biases = [round(Fraction(b) / unit) for b, unit in zip(bias.tolist(), units, strict=True)]
    reach = int(np.abs(taps).sum(axis=1).max()) * local_reach(inputs) + max(map(abs, biases))
    if reach > MAX_SUM:
        raise InputError(f"{where}: sums must fit into int32, but reach {reach}; calibrate again")
    return Convolution(
        taps=taps,
        bias=np.array(biases),
        by=multipliers([unit / to.step for unit in units], where),
    )


def norm(step: Fraction, inputs: FixedPoint, width: int, eps: float, where: str) -> Norm:
    """The integers of an RMSNorm of ``width`` inputs, for outputs in units of ``step``.

    Raises:
        InputError: if eps and the squares can reach 2^62.
    """
    own = max(1, round(width * Fraction(eps) / inputs.step**2))
    reach = own + width * (inputs.high + 1) ** 2
    if reach >= MAX_SQUARES:
        raise InputError(f"{where}: {width} squares and eps must be below 2^62 units, not {reach}; calibrate again")
    return Norm(eps=own, scale=Scale.from_step(float(step) / width**0.5))


