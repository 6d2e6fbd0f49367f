"""The interval of inputs that do not saturate: the straight-through gradient is 0 outside it."""

from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.formats.tables import tables
from qse_hw.golden.quantize.array import position_factor


class Limits(NamedTuple):
    """The smallest and the largest number of a dtype that do not saturate."""

    low: float
    high: float


def first_saturated(format: SegmentedFormat) -> tuple[int, int]:
    """The positions t (:class:`qse_hw.golden.formats.tables.Tables`) nearest to 0 that saturate, on either side
    of 0.
    """
    table = tables(format)
    addresses = table.first + np.flatnonzero(table.saturated)
    if table.sticky:  # 2 t, and for truncated values the neighbor of 2 t away from 0, or above it
        addresses = addresses // 2
    return int(addresses[addresses < 0].max()), int(addresses[addresses > 0].min())


@lru_cache(maxsize=256)
def limits(format: SegmentedFormat, scale: Scale, dtype: str = "float32") -> Limits:
    """The limits among the numbers of ``dtype``, "float32" or "float64".

    Numbers of narrower dtypes are float32 numbers, too: the limits of float32 tell which of those saturate.
    """
    below, above = first_saturated(format)
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
