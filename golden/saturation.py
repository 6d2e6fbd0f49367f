"""Which inputs saturate, as an interval: for the straight-through gradient, which is 0 where they do."""

from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from golden.array import position_factor
from golden.formats import SegmentedFormat
from golden.scale import Scale
from golden.tables import tables


class Limits(NamedTuple):
    """The smallest and the largest number of a dtype that do not saturate; both are such."""

    low: float
    high: float


@lru_cache(maxsize=256)
def limits(format: SegmentedFormat, scale: Scale, dtype: str = "float32") -> Limits:
    """The limits among the numbers of ``dtype``, "float32" or "float64".

    Numbers of narrower dtypes are float32 numbers, too: the limits of float32 tell which of those saturate.
    """
    table = tables(format)
    addresses = table.first + np.flatnonzero(table.saturated)
    below, above = int(addresses[addresses < 0].max()), int(addresses[addresses > 0].min())
    if table.sticky:  # addresses are 2 t and its neighbours; the last segment ends at a full position
        below, above = -(-below // 2), above // 2
    factor = Fraction(position_factor(format, scale))
    if format.signed:  # positions are truncated towards 0: |v| >= T saturates
        return Limits(-_below(Fraction(-below) / factor, dtype), _below(Fraction(above) / factor, dtype))
    return Limits(_from(Fraction(below + 1) / factor, dtype), _below(Fraction(above) / factor, dtype))


def _below(bound: Fraction, dtype: str) -> float:
    """The largest number below ``bound``."""
    number = np.dtype(dtype).type(float(bound))
    while Fraction(float(number)) >= bound:
        number = np.nextafter(number, np.dtype(dtype).type(-np.inf))
    return float(number)


def _from(bound: Fraction, dtype: str) -> float:
    """The smallest number that is not below ``bound``."""
    number = np.dtype(dtype).type(float(bound))
    while Fraction(float(number)) < bound:
        number = np.nextafter(number, np.dtype(dtype).type(np.inf))
    return float(number)
