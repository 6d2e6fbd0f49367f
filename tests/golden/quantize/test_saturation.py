"""The interval of inputs that do not saturate, against the quantizer's own flags."""

import numpy as np
import pytest

from qse_hw.golden.quantize import array
from qse_hw.golden.quantize.saturation import limits
from tests.golden.formats import oracles


@pytest.mark.every(3)
@pytest.mark.parametrize("name", list(oracles.ORACLES))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bits", [1, 16, 20])
def test_the_neighbours_outside_saturate_and_the_limits_do_not(name, dtype, bits):
    format, scale = oracles.make(name), oracles.scale_for("fp32", bits)
    low, high = limits(format, scale, dtype)
    number = np.dtype(dtype).type
    outside = [np.nextafter(number(low), number(-np.inf)), np.nextafter(number(high), number(np.inf))]
    x = np.array([low, high, *outside], dtype)
    assert array.quantize_flags(x, format, scale).saturated.tolist() == [False, False, True, True]
