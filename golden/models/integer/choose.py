"""Chooses types for observed values: formats of least squared error, fixed point as fine as the peak allows."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.headroom import with_headroom
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.spec import FormatSpec, TunedFormat
from qse_hw.golden.calibration.tune import SIGNS, Tuner
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.models.integer.formats import (
    LOCAL_BITS,
    MAX_EXPONENT,
    ChannelFormat,
    ChannelLocal,
    FixedPoint,
    Local,
    ScaledChannels,
    State,
    local_exponent,
)
from qse_hw.golden.models.integer.functions import FINEST
from qse_hw.golden.models.integer.observe import Seen
from qse_hw.golden.models.integer.options import TUNED, Options
from qse_hw.golden.models.integer.products import LOG2_E
from qse_hw.golden.models.integer.scan import MAX_SHIFT

_LEAST = 40  # peaks below 2**-40 are taken as 2**-40
_TWO_SIDED = 4  # a sign bit is used only if the negative peak is more than a quarter of the peak
HEADROOM = 1.25  # fixed point reaches this times the peak seen; larger values saturate


def fixed_point(peak: float, bits: int = LOCAL_BITS) -> FixedPoint:
    """The finest fixed-point type that reaches ``peak``."""
    return FixedPoint(bits=bits, exponent=int(_exponents(np.array([peak]), bits)[0]))


def _exponents(peaks: npt.NDArray[np.float64], bits: int) -> npt.NDArray[np.int64]:
    """The least exponents with which ``bits`` bits reach the peaks; smaller peaks count as the largest over 2^16."""
    least = max(float(peaks.max()) * 2.0**-16, 2.0**-_LEAST)
    exponents: npt.NDArray[np.int64] = np.frexp(np.maximum(peaks, least))[1].astype(np.int64) - (bits - 1)
    return exponents


def operand_type(histogram: Histogram, spec: FormatSpec) -> SegmentedQuantizer:
    """A segmented format with any scale."""
    return _fitted(histogram, spec, 16)


def power_of_two_type(histogram: Histogram, spec: FormatSpec) -> SegmentedQuantizer:
    """A segmented format whose step is a power of two."""
    return _fitted(histogram, spec, 1)


def _fitted(histogram: Histogram, spec: FormatSpec, scale_bits: int) -> SegmentedQuantizer:
    """The format of least squared error; a tuned one has a sign bit only by the rule of ``_TWO_SIDED``."""
    if not isinstance(spec, TunedFormat):
        return Fitter(histogram, scale_bits=scale_bits).least_squares(spec)
    wanted = spec.budget
    sign = SIGNS[histogram.low * _TWO_SIDED < -histogram.peak]
    roomy = with_headroom(histogram, wanted.headroom)
    return Tuner(roomy, replace(wanted, signs=(sign,)), scale_bits).best(wanted.segments)


def local_type(seen: Seen, name: str, options: Options) -> Local:
    """The type of a local tensor."""
    if options.is_wide(name):
        return _reaching(seen, name, LOCAL_BITS)
    return power_of_two_type(seen.histogram(name), options.spec_of(name))


def channel_type(seen: Seen, name: str, options: Options, least: int = -_LEAST) -> ChannelLocal:
    """Each channel is scaled by the power of two nearest its root mean square; all share one format. No exponent is
    below ``least``.
    """
    if options.is_wide(name):
        fixed = fixed_point(HEADROOM * float(seen.peaks[name].max()))
        return replace(fixed, exponent=max(fixed.exponent, least))
    octaves = np.rint(np.log2(_root_mean_squares(seen, name))).astype(np.int64)
    quantizer = power_of_two_type(seen.histogram(name, np.ldexp(1.0, octaves)), options.spec_of(name))
    exponents = np.maximum(octaves + local_exponent(quantizer), least)
    return ChannelFormat(format=quantizer.format, exponents=tuple(exponents.tolist()))


def scaled_type(seen: Seen, name: str, options: Options) -> ScaledChannels | FixedPoint:
    """Each channel is scaled by its root mean square; all share one format."""
    if options.is_wide(name):
        return fixed_point(HEADROOM * float(seen.peaks[name].max()))
    units = _root_mean_squares(seen, name)
    quantizer = operand_type(seen.histogram(name, units), options.spec_of(name))
    steps = [quantizer.scale.step * Fraction(unit) for unit in units.tolist()]
    return ScaledChannels(format=quantizer.format, scales=tuple(map(Scale.from_step, steps)))


def _root_mean_squares(seen: Seen, name: str) -> npt.NDArray[np.float64]:
    """Of every channel; of one that is nearly silent at least the largest over 2^16."""
    rms = np.sqrt(np.square(seen.values(name), dtype=np.float64).mean(axis=(0, 1)))
    least: npt.NDArray[np.float64] = np.maximum(rms, rms.max() * 2.0**-16 + 2.0**-_LEAST)
    return least


def fixed_types(seen: Seen, bits: Mapping[str, int]) -> dict[str, FixedPoint]:
    """The types of all fixed-point tensors.

    Raises:
        InputError: naming layer and tensor, if no exponent serves.
    """
    return {name: _reaching(seen, name, wide) for name, wide in bits.items()}


def _reaching(seen: Seen, name: str, bits: int) -> FixedPoint:
    """Fixed point that reaches the tensor's values with headroom, no finer than the function units' types."""
    peak = HEADROOM * float(seen.peaks[name].max())
    if peak >= 2.0 ** (MAX_EXPONENT + bits - 1):
        raise InputError(
            f"{seen.where}{name} must be below 2^{MAX_EXPONENT + bits - 1} for fixed point of {bits} bits, but "
            f"reaches {peak / HEADROOM:.4g}; check the checkpoint"
        )
    fixed = fixed_point(peak, bits)
    return replace(fixed, exponent=max(fixed.exponent, FINEST.get(name, fixed.exponent)))


def state_type(seen: Seen, options: Options, scan: FixedPoint, C_exponent: int, headroom: float) -> State:
    """One exponent per channel, with ``headroom`` over its peak, but C h is never coarser than the scan's output, and
    no finer than shifts allow.

    Raises:
        InputError: naming layer and channel, if the coarsest exponent does not reach the peak.
    """
    peaks = headroom * seen.peaks["state"]
    coarsest = scan.exponent - C_exponent
    format: SegmentedFormat | Literal[16, 24]
    if options.state == "se8":
        exponents = _exponents(peaks, 2)
        quantizer = power_of_two_type(seen.histogram("state", np.ldexp(1.0, exponents)[:, None]), TUNED)
        format = quantizer.format
        exponents = exponents + local_exponent(quantizer)
        reach = max(abs(value) for value in format.values.values())
    else:
        format = 16 if options.state == "s16" else 24
        exponents = _exponents(peaks, format)
        reach = (1 << (format - 1)) - 1
    beyond = np.flatnonzero((exponents > coarsest) & (seen.peaks["state"] > reach * 2.0**coarsest))
    if beyond.size:
        raise InputError(
            f"{seen.where}state must stay within {reach * 2.0**coarsest:.4g}, as its unit times C's may not exceed "
            f"scan's, but reaches {seen.peaks['state'][beyond[0]]:.4g} in channel {beyond[0]}; take state s24, or "
            "check the checkpoint"
        )
    exponents = np.clip(exponents, coarsest - MAX_SHIFT, coarsest)
    return State(format=format, exponents=tuple(exponents.tolist()), rounding=options.rounding)


def inflow_exponents(seen: Seen, state: State, B_exponent: int, headroom: float) -> tuple[int, ...]:
    """One exponent per channel, large enough that delta x B is never finer than what the state is rounded from."""
    exponents = _exponents(headroom * seen.peaks["inflow"], LOCAL_BITS)
    return tuple(np.maximum(exponents, np.array(state.exponents) - 15 - B_exponent).tolist())


def decay_rates(A_log: Tensor, where: str) -> npt.NDArray[np.float64]:
    """A of a layer, per octave: ``exp(A_log) * log2(e)``, in the shape of ``A_log``.

    Args:
        A_log: as in the checkpoint.
        where: the layer, as messages begin.

    Raises:
        InputError: if a rate is not finite.
    """
    rates: npt.NDArray[np.float64] = A_log.detach().double().exp().numpy() * LOG2_E
    if not np.isfinite(rates).all():
        raise InputError(f"{where}A must be finite, but has NaN or infinity; check the checkpoint")
    return rates
