"""Headroom for later outliers: a format is also fitted to synthetic values beyond the peak.

The calibration's values do not bound later ones. In another text of the same length, one value is expected beyond the
peak if values are independent, and more if they come in bursts, as outliers do. The expected values are therefore added
to the histogram: the search keeps a single objective, and a format that does not reach them pays their error.
"""

from copy import copy

import numpy as np

from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.errors import InputError

DEFAULT = 1.25  # by docs/headroom.py: the most that costs 0.2 dB or less, the mean over all layers of four models
MAX_HEADROOM = 8.0
COUNT = 16  # synthetic values; about the mean number, over layers, that an equally long text had beyond the peak
PER_SEEN = 1024  # in small samples, their total weight is that of one value in so many, but of at least one value


def check_headroom(headroom: float) -> None:
    """InputError unless ``headroom`` is from 1 to 8."""
    if not 1 <= headroom <= MAX_HEADROOM:
        raise InputError(f"Headroom must be from 1 to {MAX_HEADROOM:g}, not {headroom!r}")


def with_headroom(histogram: Histogram, headroom: float) -> Histogram:
    """The histogram and 16 values, evenly spread from the peak to ``headroom`` times the peak.

    Each has the mean weight of the values seen; their total weight is at most 1/1,024 of all, but at least that of one
    value. They lie on the side of zero where the peak is. If the other side reaches at least 1/headroom as far, later
    outliers may come on either side: then each side gets 16 values of half the weight. A floor such as a SiLU's, far
    nearer to zero than the peak, gets none. Values stay within the range of an integer tensor's dtype.

    Returns:
        The histogram itself for a headroom of 1.

    Raises:
        InputError: unless ``headroom`` is from 1 to 8.
    """
    check_headroom(headroom)
    if headroom == 1:
        return histogram
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    sides = [end for end in (low, high) if abs(end) * headroom >= histogram.peak]
    factors = 1 + (headroom - 1) * np.arange(1, COUNT + 1) / COUNT
    beyond = np.concatenate([end * factors for end in sides]).clip(*histogram.limits).astype(np.float32)
    values = np.append(histogram.values, beyond)
    total = min(COUNT * histogram.mean_weight, max(histogram.mean_weight, float(histogram.counts.sum()) / PER_SEEN))
    weights = np.append(histogram.counts, np.full(len(beyond), total / len(beyond)))
    order = np.argsort(values, kind="stable")
    roomy = copy(histogram)
    roomy.values, roomy.counts = values[order], weights[order]
    roomy.low, roomy.high = min(histogram.low, float(beyond.min())), max(histogram.high, float(beyond.max()))
    roomy.peak = max(-roomy.low, roomy.high)
    roomy.power = float((roomy.counts * np.square(roomy.values, dtype=np.float64)).sum())
    return roomy
