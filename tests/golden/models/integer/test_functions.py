"""Function units against decimal arithmetic: within their bounds, single integers and arrays alike."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

from qse_hw.golden.functions.accuracy import accuracy
from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.functions import BITS, ERRORS, LEAST_ERROR, RECIPROCAL_ROOT, Unit, silu_unit


def silu(v: Decimal) -> Decimal:
    return v / (1 + (-v).exp())


def softplus(v: Decimal) -> Decimal:
    return (1 + v.exp()).ln()


EXACT = {"silu": silu, "softplus": softplus}


@pytest.mark.every(8)
@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize(
    ("bits", "exponent", "out", "shift"),
    [
        (16, -10, (18, -12), 0),
        (16, -10, (18, -13), 0),
        (10, -6, (18, -12), 4),  # a code's values, shifted to the standard step
        (12, -12, (18, -14), 0),  # finer than the standard step
        (16, -9, (16, -9), 0),  # too wide to be shifted; an output coarser than the usual error
    ],
)
def test_units_keep_their_bounds_and_saturate(name, bits, exponent, out, shift, rng):
    unit = Unit(name, FixedPoint(bits=bits, exponent=exponent), FixedPoint(bits=out[0], exponent=out[1]))
    assert unit.shift == shift
    assert unit.core.reduction.input.width == BITS
    least, high = -1 << (bits - 1), (1 << (out[0] - 1)) - 1
    inputs = [least, -1, 0, 1, -least - 1, *rng.integers(least, -least, 200).tolist()]
    bound = max(float(ERRORS[name]) * 2.0 ** max(exponent + 10, 0), float(LEAST_ERROR) * 2.0 ** out[1])
    with localcontext() as context:
        context.prec = 60
        last = unit.core.high >> unit.shift  # the output's type ends there
        exact = [float(EXACT[name](Decimal(min(x, last)) * Decimal(2) ** exponent)) for x in inputs]
    outputs = [unit.scalar(x) for x in inputs]
    assert max(abs(y * 2.0 ** out[1] - value) for y, value in zip(outputs, exact, strict=True)) <= bound
    assert unit.array(np.array(inputs)).tolist() == outputs
    assert all(-high - 1 <= y <= high for y in unit.table.tolist())


def test_silu_has_two_more_fraction_bits():
    unit = silu_unit(FixedPoint(bits=16, exponent=-10))
    assert unit.output == FixedPoint(bits=18, exponent=-12)
    assert accuracy(unit.core).error * unit.output.step <= ERRORS["silu"]
    assert unit.scalar(32767) == 32767 << 2


def test_reciprocal_root_of_every_size(rng):
    edges = [v for bits in range(1, 61) for v in (1 << bits - 1, (1 << bits) - 1)]
    inputs = [*edges, *rng.integers(1, 1 << 40, 300).tolist()]
    roots = RECIPROCAL_ROOT.array(np.array(inputs))
    for v, mantissa, shift in zip(inputs, roots.mantissa.tolist(), roots.shift.tolist(), strict=True):
        assert (mantissa, shift) == RECIPROCAL_ROOT.scalar(v)
        assert 1 << 15 <= mantissa < 1 << 16
        assert math.isclose(mantissa * 2.0**-shift * math.sqrt(v), 1, rel_tol=RECIPROCAL_ROOT.error)
