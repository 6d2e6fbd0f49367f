"""SiLU and its codes: the array function against the scalar one and against the integer model's layer."""

from collections import Counter

import numpy as np
import pytest

from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scalar import dequantize
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.functions import silu_unit
from qse_hw.golden.models.integer.scalar_arithmetic import ScalarArithmetic
from qse_hw.golden.reference.activation import activate, activate_scalar

UNIT = silu_unit(FixedPoint(bits=16, exponent=-10))


@pytest.mark.parametrize(("name", "step"), [("se8", 500.0), ("se8-silu", 150.0), ("int8", 500.0)])
def test_against_the_integer_model(name, step, rng):
    """As :meth:`Mamba1Scalar.step` computes x, with the model's own SiLU."""
    format, scale = load_format(name), Scale.from_step(step)
    x = np.concatenate([rng.integers(-(1 << 15), 1 << 15, 700), rng.integers(-4000, 4000, 700)])
    answer = activate(x, UNIT.core, scale, format)
    flags = Counter()
    arithmetic = ScalarArithmetic(0, flags)
    assert answer.values.tolist() == [
        arithmetic.encode("x", UNIT.scalar(one), scale, format) for one in x.tolist()
    ]
    assert 0 < answer.saturated.sum() == flags[0, "x"] < answer.saturated.size
    for n in range(0, len(x), 7):
        one = activate_scalar(int(x[n]), UNIT.core, scale, format)
        assert (one.code, one.saturated) == (answer.codes[n], answer.saturated[n])
        assert answer.values[n] == dequantize(one.code, format)
