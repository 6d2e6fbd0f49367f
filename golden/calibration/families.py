"""The best member of a family of formats at a scale: every member is compared, by sums over its gaps.

The bare names ``se8``, ``se8-silu`` and ``int8-asym`` stand for families: L of ``se8``, K and the zero point of
``se8-silu``, and the zero point of ``int8-asym`` are open, and all their values are compared. The steps of ``se8-silu``
stay s/2, s and 4 s (f = 1, g = 2); ``tuned`` also searches steps. Any other name stands for one format.

A format's error is a sum over the gaps between its codes (:mod:`qse_hw.golden.calibration.segmentation`). The gaps of a
segment are neighbors at equal distances, so that their sum is the difference of two running sums. One pass over the
values therefore gives the errors of all the thousands of formats that ``se8-silu`` has at a scale.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.segmentation import STEPS, Costs, costs, zero_position
from qse_hw.golden.calibration.spec import FormatFamily, GivenFormat
from qse_hw.golden.formats.presets import int8_asym, se8, se8_silu
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat

_WIDEST = {"se8": se8(1), "se8-silu": se8_silu(K=1, zero_point=0), "int8-asym": int8_asym(0)}
Integers = npt.NDArray[np.intp]
_CLOSE = 1e-9  # of the error: how much sums that are equal may differ by rounding
_FEW = 8  # of the members with nearly the least sum: their errors are computed from decoded values


def widest(spec: FormatFamily | GivenFormat) -> SegmentedFormat:
    """The member of a family that reaches farthest in units of s, and has its finest step; a given format itself."""
    return spec.format if isinstance(spec, GivenFormat) else _WIDEST[spec.name]


def best_format(spec: FormatFamily | GivenFormat, histogram: Histogram, scale: Scale) -> SegmentedFormat:
    """The member with the least squared error at ``scale``; a given format itself."""
    if isinstance(spec, GivenFormat):
        return spec.format
    step = float(scale.step)
    if spec.name == "se8":
        L = np.arange(1, 16)
        cost = costs(np.abs(_values(histogram)), histogram.counts, step / 4, None)
        errors = _errors(cost, np.zeros_like(L), [(4 * L, 0), (np.full_like(L, 64), 2), (64 - 4 * L, 4)])
        members = [se8(int(L[n])) for n in _least(errors, histogram)]
    elif spec.name == "se8-silu":
        zero = zero_position(float(histogram.values[0]), step / 2)
        cost = costs(_values(histogram), histogram.counts, step / 2, zero)
        # codes below the least value would be wasted, so no zero point leaves room for any
        K, Z = (part.ravel() for part in np.meshgrid(np.arange(1, 128), np.arange(min(zero, 126) + 1), indexing="ij"))
        K, Z = K[Z < K], Z[Z < K]
        errors = _errors(cost, zero - Z, [(K, 0), (np.full_like(K, 128), 1), (128 - K, 3)])
        members = [se8_silu(int(K[n]), int(Z[n])) for n in _least(errors, histogram)]
    else:
        zero = zero_position(float(histogram.values[0]), step)
        cost = costs(_values(histogram), histogram.counts, step, zero)
        Z = np.arange(min(zero, 255) + 1)
        errors = _errors(cost, zero - Z, [(np.full_like(Z, 256), 0)])
        members = [int8_asym(int(Z[n])) for n in _least(errors, histogram)]
    if len(members) == 1:
        return members[0]
    return min(members, key=lambda format: histogram.squared_error(SegmentedQuantizer(format=format, scale=scale)))


def _values(histogram: Histogram) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = histogram.values.astype(np.float64)
    return values


def _least(errors: npt.NDArray[np.float64], histogram: Histogram) -> Integers:
    """Where the errors are least, ascending: the minimum, and those that rounding may have put above it."""
    limit = errors.min() * (1 + _CLOSE) + histogram.power * 1e-14
    close = np.flatnonzero(errors <= limit)
    return close[np.argsort(errors[close], kind="stable")[:_FEW]]


def _errors(cost: Costs, start: Integers, segments: Sequence[tuple[Integers, int]]) -> npt.NDArray[np.float64]:
    """Squared errors of formats whose first code is at ``start`` and whose segments are (codes, log2 of the step)."""
    ends = start.copy()
    for codes, e in segments:
        ends = ends + (codes << e)
    length = max(int(ends.max()) + 1, len(cost.above))
    error = cost.below[start].copy()
    position = start
    for number, (codes, e) in enumerate(segments):
        assert e < STEPS
        last = number == len(segments) - 1
        error += _run(cost.gaps[e], length, position, codes - last, 1 << e)
        position = position + ((codes - last) << e)
    above = np.append(cost.above, 0.0)
    error += above[np.minimum(position, len(cost.above))]
    return error


def _run(
    gaps: npt.NDArray[np.float64], length: int, first: Integers, count: Integers, step: int
) -> npt.NDArray[np.float64]:
    """The sums of ``count`` gaps, ``step`` positions apart, from ``first`` on; nothing errs beyond the last value."""
    rows = -(-length // step) + 1
    running = np.zeros((rows + 1) * step)  # a row of zeros before the first
    running[step : step + len(gaps)] = gaps
    running = running.reshape(-1, step).cumsum(axis=0).ravel()
    total: npt.NDArray[np.float64] = running[first + count * step] - running[first]
    return total
