"""Room for outliers that come later: made-up values beyond the peak, to which a format is fitted as to those seen.

What was seen does not bound what will come. In a text as long as the one seen, one value is expected beyond the peak
if values are independent, and more if they come in bursts, as outliers do. So that one objective serves all candidates
of a search, the values expected there join the histogram, and whoever does without room for them pays their error.
"""

from copy import copy

import numpy as np

from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.errors import InputError

DEFAULT = 1.25  # by docs/headroom.py: the most that costs 0.2 dB or less, the mean over all layers of four models
MAX_HEADROOM = 8.0
COUNT = 16  # values made up; about how many an equally long text had beyond the peak, the mean over its layers
PER_SEEN = 1024  # of small samples they weigh as one in so many values, at least as one: more would cost too much


def check_headroom(headroom: float) -> None:
    """InputError unless values may be expected so many times as far as the peak."""
    if not 1 <= headroom <= MAX_HEADROOM:
        raise InputError(f"Headroom must be from 1 to {MAX_HEADROOM:g}, not {headroom!r}")


def with_headroom(histogram: Histogram, headroom: float) -> Histogram:
    """The histogram and 16 values, evenly spread from the peak to ``headroom`` times the peak.

    Each has the mean weight of those seen, but together they weigh no more than one in 1,024, or than one value.
    They lie on the side of zero where the peak is. If the other side reaches at least 1/headroom as far, the next
    outlier may come on either, and each side has 16 values of half the weight. A floor such as a SiLU's, far nearer to
    zero than the peak, stays where it is. None lies beyond what integers of the tensor's dtype can be.

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
    found = copy(histogram)
    found.values, found.counts = values[order], weights[order]
    found.low, found.high = min(histogram.low, float(beyond.min())), max(histogram.high, float(beyond.max()))
    found.peak = max(-found.low, found.high)
    found.power = float((found.counts * np.square(found.values, dtype=np.float64)).sum())
    return found
