"""Chooses types for observed values: formats of least squared error, fixed point as fine as the peak allows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.headroom import with_headroom
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.spec import TunedFormat
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
    LayerFormats,
    Local,
    ScaledChannels,
    State,
    local_exponent,
)
from qse_hw.golden.models.integer.functions import FINEST
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.integer.products import LOG2_E
from qse_hw.golden.models.integer.scan import MAX_SHIFT
from qse_hw.golden.models.integer.summary import LEAST, Coded, Summary, exponents_of, fixed_bits

_TWO_SIDED = 4  # a sign bit is used only if the negative peak is more than a quarter of the peak
HEADROOM = 1.25  # fixed point reaches this times the peak seen; larger values saturate


@dataclass(frozen=True)
class Choice:
    """What is chosen for a layer's tensors, before it is fitted together.

    Attributes:
        coded: the segmented formats with their scales; of a tensor with a step for every channel, in its units.
        fixed: the fixed-point types.
    """

    coded: Mapping[str, SegmentedQuantizer]
    fixed: Mapping[str, FixedPoint]

    @classmethod
    def of(cls, summary: Summary, kind: type[LayerFormats], options: Options) -> "Choice":
        """The best for the layer by itself."""
        coded = {name: quantizer_of(one) for name, one in summary.coded.items()}
        return cls(coded, fixed_types(summary, fixed_bits(kind, options)))

    def local(self, name: str) -> Local:
        """The type of a local tensor."""
        return self.fixed[name] if name in self.fixed else self.coded[name]


def fixed_point(peak: float, bits: int = LOCAL_BITS) -> FixedPoint:
    """The finest fixed-point type that reaches ``peak``."""
    return FixedPoint(bits=bits, exponent=int(exponents_of(np.array([peak]), bits)[0]))


def quantizer_of(coded: Coded) -> SegmentedQuantizer:
    """The format of least squared error; a tuned one has a sign bit only by the rule of ``_TWO_SIDED``."""
    histogram, spec, scale_bits, _ = coded
    if not isinstance(spec, TunedFormat):
        return Fitter(histogram, scale_bits=scale_bits).least_squares(spec)
    wanted = spec.budget
    sign = SIGNS[histogram.low * _TWO_SIDED < -histogram.peak]
    roomy = with_headroom(histogram, wanted.headroom)
    return Tuner(roomy, replace(wanted, signs=(sign,)), scale_bits).best(wanted.segments)


def channel_type(summary: Summary, name: str, chosen: Local, least: int = -LEAST) -> ChannelLocal:
    """Each channel is scaled by the power of two nearest its root mean square; all share one format. No exponent is
    below ``least``.
    """
    if isinstance(chosen, FixedPoint):
        return replace(chosen, exponent=max(chosen.exponent, least))
    octaves = np.frexp(summary.units[name])[1].astype(np.int64) - 1
    exponents = np.maximum(octaves + local_exponent(chosen), least)
    return ChannelFormat(format=chosen.format, exponents=tuple(exponents.tolist()))


def scaled_type(summary: Summary, name: str, chosen: Local) -> ScaledChannels | FixedPoint:
    """Each channel is scaled by its root mean square; all share one format."""
    if isinstance(chosen, FixedPoint):
        return chosen
    steps = [chosen.scale.step * Fraction(unit) for unit in summary.units[name].tolist()]
    return ScaledChannels(format=chosen.format, scales=tuple(map(Scale.from_step, steps)))


def fixed_types(summary: Summary, bits: Mapping[str, int]) -> dict[str, FixedPoint]:
    """The types of all fixed-point tensors, no finer than the function units' types.

    Raises:
        InputError: naming layer and tensor, if no exponent serves.
    """
    return {name: _reaching(summary, name, wide) for name, wide in bits.items()}


def _reaching(summary: Summary, name: str, bits: int) -> FixedPoint:
    """Fixed point that reaches the tensor's values with headroom."""
    peak = HEADROOM * float(summary.peaks[name].max())
    if peak >= 2.0 ** (MAX_EXPONENT + bits - 1):
        raise InputError(
            f"{summary.where}{name} must be below 2^{MAX_EXPONENT + bits - 1} for fixed point of {bits} bits, but "
            f"reaches {peak / HEADROOM:.4g}; check the checkpoint"
        )
    fixed = fixed_point(peak, bits)
    return replace(fixed, exponent=max(fixed.exponent, FINEST.get(name, fixed.exponent)))


def state_type(
    summary: Summary,
    options: Options,
    scan: FixedPoint,
    C_exponent: int,
    headroom: float,
    quantizer: SegmentedQuantizer | None = None,
) -> State:
    """One exponent per channel, with ``headroom`` over its peak, but C h is never coarser than the scan's output, and
    no finer than shifts allow. ``quantizer``: of a state in 8 bits.

    Raises:
        InputError: naming layer and channel, if the coarsest exponent does not reach the peak.
    """
    peaks = headroom * summary.peaks["state"]
    coarsest = scan.exponent - C_exponent
    format: SegmentedFormat | Literal[16, 24]
    if quantizer is not None:
        format = quantizer.format
        exponents = exponents_of(peaks, 2) + local_exponent(quantizer)
        reach = max(abs(value) for value in format.values.values())
    else:
        format = 16 if options.state == "s16" else 24
        exponents = exponents_of(peaks, format)
        reach = (1 << (format - 1)) - 1
    beyond = np.flatnonzero((exponents > coarsest) & (summary.peaks["state"] > reach * 2.0**coarsest))
    if beyond.size:
        raise InputError(
            f"{summary.where}state must stay within {reach * 2.0**coarsest:.4g}, as its unit times C's may not exceed "
            f"scan's, but reaches {summary.peaks['state'][beyond[0]]:.4g} in channel {beyond[0]}; take state s24, or "
            "check the checkpoint"
        )
    exponents = np.clip(exponents, coarsest - MAX_SHIFT, coarsest)
    return State(format=format, exponents=tuple(exponents.tolist()), rounding=options.rounding)


def inflow_exponents(summary: Summary, state: State, B_exponent: int, headroom: float) -> tuple[int, ...]:
    """One exponent per channel, large enough that delta x B is never finer than what the state is rounded from."""
    exponents = exponents_of(headroom * summary.peaks["inflow"], LOCAL_BITS)
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
