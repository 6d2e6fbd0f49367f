"""The limit: the best that any scalar quantizer of so many levels can do (Max 1960; Lloyd 1982).

Lloyd's iteration converges slowly: stopped when its levels hardly move any more, it is up to 3 dB below the optimum on
these activations, and every format seems nearer to the limit than it is. So the optimum itself is computed, by dynamic
programming over the cells' borders (Bruce 1965). It takes n log n per level, because the best border never moves left
as the last value moves right.
"""

import numpy as np
import numpy.typing as npt

from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.quantizers import CodebookQuantizer
from qse_hw.golden.errors import InputError

Indices = npt.NDArray[np.intp]
_GROUPS = 512


def lloyd_max(histogram: Histogram, levels: int = 256) -> CodebookQuantizer:
    """The codebook of at most ``levels`` levels with the least squared error on the histogram: the global optimum.

    Raises:
        InputError: for fewer than 1 level.
    """
    if levels < 1:
        raise InputError(f"Levels must be at least 1, not {levels!r}")
    values = histogram.values.astype(np.float64)
    if len(values) <= levels:
        return CodebookQuantizer.nearest(values)
    counts = np.maximum(histogram.counts, 1e-12 * histogram.counts.sum())  # less is lost in cumulative sums
    cells = _Cells(values, counts)
    error = np.concatenate([[0.0], cells.error(np.zeros(len(values), np.intp), np.arange(1, len(values) + 1))])
    lasts = []  # per level: where its cell begins, indexed by where it ends
    for level in range(1, levels):
        error, begins = _append_cell(cells, error, level)
        lasts.append(begins)
    borders = [len(values)]
    for begins in reversed(lasts):
        borders.append(int(begins[borders[-1]]))
    return CodebookQuantizer.nearest(cells.means(np.array([0, *reversed(borders)])))


def rules_out(histogram: Histogram, levels: int, error: float) -> bool:
    """Whether every codebook of so many levels has a larger squared error than ``error``; False: not known.

    The values are gathered in groups, and replaced by the groups' means. The root of the least error falls by at most
    the root of the squared distance between values and means. The least error of the means is bounded by a Lagrangian
    relaxation of the number of levels; any price gives a bound, the best one is near the one taken if halving the
    levels makes the error four times as large.
    """
    values, counts = histogram.values.astype(np.float64), histogram.counts
    if len(values) <= levels:
        return False
    # finest where an ideal quantizer's steps are
    share = np.cumsum(np.cbrt(counts) * np.cbrt(np.gradient(values)) ** 2)
    group = (share * (_GROUPS * (1 - 1e-9) / share[-1])).astype(np.intp)
    sums: npt.NDArray[np.float64] = np.stack([np.bincount(group, counts * values**power) for power in range(3)])
    n, first, second = sums[:, sums[0] > 0]
    means = first / n
    distance = float(np.maximum(second - first * means, 0).sum())
    cells, price = _Cells(means, n), 8 * error / levels
    least = np.zeros(len(n) + 1)
    for end in range(1, len(n) + 1):
        errors = cells.error(np.arange(end), np.full(end, end))
        least[end] = (least[:end] + errors).min() + price
    bound = (1 - 1e-6) * float(least[-1]) - price * levels
    return bound > 0 and bool(np.sqrt(bound) > (np.sqrt(distance) + np.sqrt(error)) * (1 + 1e-6))


class _Cells:
    """Means and errors of runs of the sorted values, from cumulative moments."""

    def __init__(self, values: npt.NDArray[np.float64], counts: npt.NDArray[np.float64]) -> None:
        moments = np.stack([counts, counts * values, counts * values**2])
        self.n, self.first, self.second = np.concatenate([np.zeros((3, 1)), np.cumsum(moments, axis=1)], axis=1)

    def error(self, begin: Indices, end: Indices) -> npt.NDArray[np.float64]:
        """Squared error of the values [begin, end) around their mean."""
        first = self.first[end] - self.first[begin]
        second = self.second[end] - self.second[begin]
        error: npt.NDArray[np.float64] = second - first * first / (self.n[end] - self.n[begin])
        return error

    def means(self, borders: Indices) -> npt.NDArray[np.float64]:
        """The mean of every run between two borders."""
        means: npt.NDArray[np.float64] = np.diff(self.first[borders]) / np.diff(self.n[borders])
        return means


def _append_cell(
    cells: _Cells, error: npt.NDArray[np.float64], level: int
) -> tuple[npt.NDArray[np.float64], Indices]:
    """Least errors with one cell more, by the number of values covered, and where that last cell begins.

    Divide and conquer, one depth at a time: the best border for a range's middle bounds those of both halves.
    """
    count = len(error) - 1
    best, begins = np.full(count + 1, np.inf), np.zeros(count + 1, np.intp)
    low, high = np.array([level + 1]), np.array([count])  # ranges of ends whose best borders are sought
    least, most = np.array([level]), np.array([count - 1])  # bounds of those borders
    while len(low):
        middle = (low + high) // 2
        lengths = np.minimum(most, middle - 1) - least + 1
        starts = np.cumsum(lengths) - lengths
        borders = np.arange(lengths.sum()) + np.repeat(least - starts, lengths)
        errors = error[borders] + cells.error(borders, np.repeat(middle, lengths))
        best[middle] = np.minimum.reduceat(errors, starts)
        hits = np.flatnonzero(errors == np.repeat(best[middle], lengths))
        owners = np.searchsorted(starts, hits, side="right") - 1
        first = np.empty_like(middle)
        first[owners[::-1]] = borders[hits[::-1]]  # the first of equals
        begins[middle] = first
        low, high = np.concatenate([low, middle + 1]), np.concatenate([middle - 1, high])
        least, most = np.concatenate([least, first]), np.concatenate([first, most])
        some = low <= high
        low, high, least, most = low[some], high[some], least[some], most[some]
    return best, begins
