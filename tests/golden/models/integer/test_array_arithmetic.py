"""Arithmetic on arrays where float64 is not wide enough."""

import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from qse_hw.golden.models.integer.array_arithmetic import ArrayArithmetic
from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.products import norm
from qse_hw.golden.models.integer.scalar_arithmetic import Saturated, ScalarArithmetic


def with_sum_of_squares(total: int, count: int, high: int) -> list[int]:
    """The largest values first."""
    values = []
    for _ in range(count):
        values.append(min(math.isqrt(total), high))
        total -= values[-1] ** 2
    assert total == 0
    return values


def test_squares_of_a_residual_stream_at_its_limit():
    """Their sum has 55 bits: one less than a power of two, which float64 rounds up to it."""
    residual = FixedPoint(bits=24, exponent=-10)
    own = norm(Fraction(1, 32), residual, 512, 1e-5, "Norm")
    values = with_sum_of_squares((1 << 54) - 1 - own.eps, 512, residual.high)
    scales = []
    for total in (values, [*values[:-1], values[-1] + 1]):
        M, k = ScalarArithmetic(0, Saturated()).root_scale(total, own)
        assert ArrayArithmetic(0, Saturated()).root_scale(np.array([[total]], np.float64), own).item() == M * 2.0**-k
        scales.append(M * 2.0**-k)
    assert scales[0] != scales[1]


@pytest.mark.full
def test_the_table_of_decays_is_not_made_by_an_import():
    run = (
        "import qse_hw.golden.models.integer.array_arithmetic as a; from qse_hw.golden.functions.exponential import "
        "EXP2; assert a._decay_table.cache_info().currsize == 0 and 'table' not in vars(EXP2); "
        "a.decays(a.np.zeros(1)); assert 'table' in vars(EXP2)"
    )
    subprocess.run([sys.executable, "-c", run], check=True)
