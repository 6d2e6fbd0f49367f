"""What a bare preset name leaves open, and the best of it at a scale: every member is compared, by sums over its gaps.

``se8`` leaves L open, ``se8-silu`` K and the zero point, ``int8-asym`` the zero point; all that their formats allow is
compared. The steps of ``se8-silu`` stay s/2, s and 4 s (f = 1, g = 2): a search over steps, too, is what ``tuned`` is
for. Any other name is the one format that it says.

A format's error is a sum over the gaps between its codes (:mod:`qse_hw.golden.calibration.segmentation`), and the gaps
of a segment are
neighbours at equal distances: the difference of two running sums. So the thousands of formats that ``se8-silu`` has at
a scale cost one look at the values.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.segmentation import STEPS, Costs, costs, zero_position
from qse_hw.golden.formats.presets import int8_asym, load_format, se8, se8_silu
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat

_CORNERS = {"se8": se8(1), "se8-silu": se8_silu(K=1, zero_point=0), "int8-asym": int8_asym(0)}
OPEN = tuple(_CORNERS)
Integers = npt.NDArray[np.intp]
_CLOSE = 1e-9  # of the error: sums differ by their rounding
_FEW = 8  # of those so close, compared by their decoded values


def corner(spec: str | SegmentedFormat) -> SegmentedFormat:
    """The member of the family that reaches farthest in units of s; no other has a finer step."""
    known = _CORNERS.get(spec) if isinstance(spec, str) else None
    return known or load_format(spec)


def best_format(spec: str | SegmentedFormat, histogram: Histogram, scale: Scale) -> SegmentedFormat:
    """The format with the least squared error at ``scale``, of all that ``spec`` leaves open."""
    step = float(scale.step)
    if spec == "se8":
        L = np.arange(1, 16)
        found = costs(np.abs(_values(histogram)), histogram.counts, step / 4, None)
        errors = _errors(found, np.zeros_like(L), [(4 * L, 0), (np.full_like(L, 64), 2), (64 - 4 * L, 4)])
        members = [se8(int(L[n])) for n in _least(errors, histogram)]
    elif spec == "se8-silu":
        zero = zero_position(float(histogram.values[0]), step / 2)
        found = costs(_values(histogram), histogram.counts, step / 2, zero)
        # a zero point with room to spare below the least value is no use: the codes serve better above
        K, Z = (part.ravel() for part in np.meshgrid(np.arange(1, 128), np.arange(min(zero, 126) + 1), indexing="ij"))
        K, Z = K[Z < K], Z[Z < K]
        errors = _errors(found, zero - Z, [(K, 0), (np.full_like(K, 128), 1), (128 - K, 3)])
        members = [se8_silu(int(K[n]), int(Z[n])) for n in _least(errors, histogram)]
    elif spec == "int8-asym":
        zero = zero_position(float(histogram.values[0]), step)
        found = costs(_values(histogram), histogram.counts, step, zero)
        Z = np.arange(min(zero, 255) + 1)
        errors = _errors(found, zero - Z, [(np.full_like(Z, 256), 0)])
        members = [int8_asym(int(Z[n])) for n in _least(errors, histogram)]
    else:
        return load_format(spec)
    if len(members) == 1:
        return members[0]
    return min(members, key=lambda format: histogram.squared_error(SegmentedQuantizer(format=format, scale=scale)))


def _values(histogram: Histogram) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = histogram.values.astype(np.float64)
    return values


def _least(errors: npt.NDArray[np.float64], histogram: Histogram) -> Integers:
    """The least of the errors and what their sums' rounding may hide, in order."""
    limit = errors.min() * (1 + _CLOSE) + histogram.power * 1e-14
    close = np.flatnonzero(errors <= limit)
    return close[np.argsort(errors[close], kind="stable")[:_FEW]]


def _errors(found: Costs, start: Integers, segments: Sequence[tuple[Integers, int]]) -> npt.NDArray[np.float64]:
    """Squared errors of formats whose first code is at ``start`` and whose segments are (codes, log2 of the step)."""
    ends = start.copy()
    for codes, e in segments:
        ends = ends + (codes << e)
    length = max(int(ends.max()) + 1, len(found.above))
    error = found.below[start].copy()
    position = start
    for number, (codes, e) in enumerate(segments):
        assert e < STEPS
        last = number == len(segments) - 1
        error += _run(found.gaps[e], length, position, codes - last, 1 << e)
        position = position + ((codes - last) << e)
    above = np.append(found.above, 0.0)
    error += above[np.minimum(position, len(found.above))]
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
