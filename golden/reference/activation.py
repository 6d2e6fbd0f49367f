"""SiLU of integers, encoded with a scale that is set at run time, and the codes' values in fine steps.

``code = quantize(silu(x) * M * 2**-k)``, as in :meth:`qse_hw.golden.models.integer.mamba1.scalar.Mamba1Scalar.step`.
SiLU is a function unit's; the product with the scale is in units of the format's step, exactly as in an encoder.
:func:`activate_scalar` is the readable truth; the array function equals it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scalar import Quantized, quantize_dyadic
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.functions.unit import FunctionUnit
from qse_hw.golden.reference.vectors import expected


class Activated(NamedTuple):
    """Codes (...) uint16, their values in fine steps (...) int32, and whether each saturated."""

    codes: npt.NDArray[np.uint16]
    values: npt.NDArray[np.int32]
    saturated: npt.NDArray[np.bool_]


def activate_scalar(x: int, silu: FunctionUnit, scale: Scale, format: SegmentedFormat) -> Quantized:
    """One value."""
    return quantize_dyadic(silu(x) * scale.M, format.fraction_bits + 1 - scale.k, format)


def activate(x: npt.NDArray[np.integer], silu: FunctionUnit, scale: Scale, format: SegmentedFormat) -> Activated:
    """Values of any shape."""
    bits = silu.output.width
    patterns = (silu.array(x) & ((1 << bits) - 1)).astype(np.uint32)
    answer = expected(patterns, format, input_type(f"s{bits}"), scale)
    return Activated(answer.codes, answer.decoded, answer.saturated)
