"""Function units against decimal arithmetic: the nearest fixed-point number, for arrays and single integers alike."""

import math
from decimal import ROUND_FLOOR, Decimal, localcontext

import numpy as np
import pytest

from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.functions import EXP2, RECIPROCAL_ROOT, Unit, bit_length


def silu(v: Decimal) -> Decimal:
    return v / (1 + (-v).exp())


def softplus(v: Decimal) -> Decimal:
    return (1 + v.exp()).ln()


EXACT = {"silu": silu, "softplus": softplus}


def half_up(value: Decimal) -> int:
    return int((value + Decimal("0.5")).to_integral_value(ROUND_FLOOR))


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize(("exponent", "out"), [(-11, (16, -11)), (-8, (18, -12)), (-14, (16, -16))], ids=str)
def test_units_round_to_nearest_and_saturate(name, exponent, out, rng):
    unit = Unit(name, FixedPoint(bits=16, exponent=exponent), FixedPoint(bits=out[0], exponent=out[1]))
    inputs = [-32768, -1, 0, 1, 32767, *rng.integers(-32768, 32768, 200).tolist()]
    high = (1 << (out[0] - 1)) - 1
    with localcontext() as context:
        context.prec = 60
        exact = [half_up(EXACT[name](Decimal(x) * Decimal(2) ** exponent) * Decimal(2) ** -out[1]) for x in inputs]
    expected = [min(max(value, -high - 1), high) for value in exact]
    assert [unit.scalar(x) for x in inputs] == expected
    assert unit.array(np.array(inputs)).tolist() == expected
    assert expected != exact or out != (16, -16)  # values beyond the type were among them


def test_exp2_is_rounded_once(rng):
    edges = [0, 1, 65535, 65536, 65537, 15 << 16, 16 << 16, 17 << 16, 1 << 40]
    inputs = [*edges, *rng.integers(0, 18 << 16, 500).tolist()]
    with localcontext() as context:
        context.prec = 60
        expected = [half_up(Decimal(2) ** (15 - Decimal(min(v, 1 << 22)) / 65536)) for v in inputs]
    assert EXP2.array(np.array(inputs)).tolist() == expected
    assert [EXP2.scalar(v) for v in inputs] == expected
    assert expected[0] == 32768
    assert expected[8] == 0


def test_reciprocal_root_of_every_size(rng):
    edges = [v for bits in range(1, 61) for v in (1 << bits - 1, (1 << bits) - 1)]
    inputs = [*edges, *rng.integers(1, 1 << 40, 300).tolist()]
    roots = RECIPROCAL_ROOT.array(np.array(inputs))
    for v, mantissa, shift in zip(inputs, roots.mantissa.tolist(), roots.shift.tolist(), strict=True):
        assert (mantissa, shift) == RECIPROCAL_ROOT.scalar(v)
        assert 1 << 15 <= mantissa < 1 << 16
        assert math.isclose(mantissa * 2.0**-shift * math.sqrt(v), 1, rel_tol=2**-14.5)


def test_bit_length_beyond_float64():
    inputs = [1, 2, 3, (1 << 53) - 1, (1 << 54) - 1, (1 << 61) - 1, 1 << 61]
    assert bit_length(np.array(inputs)).tolist() == [v.bit_length() for v in inputs]
