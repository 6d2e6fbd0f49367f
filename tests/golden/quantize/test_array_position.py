"""Where values lie, in half fine steps."""

import pytest

from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.quantize.array import position_factor


@pytest.mark.parametrize("name", ["int8", "se8", "se8-silu"])
def test_the_factor_is_of_numbers_unless_told_otherwise(name):
    format, scale = load_format(name), Scale(M=35556, k=21)
    factor = position_factor(format, scale)
    assert factor == 2.0 ** (format.fraction_bits + 1) * 35556 / 2**21
    assert position_factor(format, scale, -7) == factor / 128
