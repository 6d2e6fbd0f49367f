"""Tables in the layout of the C++ operations."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.formats.tables import decode_table
from qse_hw.golden.formats.tables import tables as quantizer_tables
from qse_hw.golden.functions.exponential import Exp2
from qse_hw.golden.functions.root import ReciprocalRoot

Integers = npt.NDArray[np.int64]


class Positions(NamedTuple):
    """A format's values in fine steps, int16, of the positions from ``low`` to ``high``: both are just out of range."""

    low: int
    high: int
    values: npt.NDArray[np.int16]


@lru_cache(maxsize=256)
def positions(format: SegmentedFormat) -> Positions:
    """Of the tables of :mod:`qse_hw.golden.formats.tables`, the part between the positions that saturate."""
    whole = quantizer_tables(format)
    inside = np.flatnonzero(~whole.saturated)
    first, last = int(inside[0]) - 1, int(inside[-1]) + 1
    assert whole.saturated.sum() == len(whole.saturated) - len(inside) == first + 1 + len(whole.saturated) - last
    codes = whole.codes[first : last + 1].astype(np.int64) & ((1 << format.bits) - 1)
    return Positions(whole.first + first, whole.first + last, decode_table(format)[0][codes].astype(np.int16))


@lru_cache(maxsize=4)
def roots(unit: ReciprocalRoot) -> npt.NDArray[np.uint16]:
    """The mantissas of arguments from 2^14 to below 2^16."""
    arguments = np.arange(1 << 14, 1 << 16)
    return np.minimum(unit.core.array(arguments), unit.largest).astype(np.uint16)


class Lines(NamedTuple):
    """A function of 16 bits as a line for each of its cells of ``2**cell_bits`` arguments.

    ``packed``, int64: the value of the cell's first argument, and the slope in the high 32 bits.
    """

    cell_bits: int
    packed: Integers


@lru_cache(maxsize=4)
def exp2_lines(unit: Exp2) -> Lines:
    """The sums of exp2's core, in the largest cells in which they lie on lines."""
    core = unit.core
    sums = core.polynomial.array(np.arange(1 << unit.INPUT_FRACTION))
    assert sums.min() >= 0 and sums.max() < 1 << 31 and core.rounds  # noqa: PT018 - one condition of exp2 in scan.hpp
    for cell_bits in range(unit.INPUT_FRACTION, 0, -1):
        cells = sums.reshape(-1, 1 << cell_bits)
        slopes = cells[:, 1] - cells[:, 0]
        if np.array_equal(cells, cells[:, :1] + slopes[:, None] * np.arange(1 << cell_bits)):
            return Lines(cell_bits, cells[:, 0] | slopes << 32)
    return Lines(0, sums)
