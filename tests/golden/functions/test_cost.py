"""The estimate of logic, on tables and polynomials whose logic is known."""

from dataclasses import replace

import pytest

from qse_hw.golden.functions.cost import BIT_COST, BLOCK_COST, border_cost, cost, table_cost
from qse_hw.golden.functions.polynomial import PiecewisePolynomial


@pytest.mark.parametrize(
    ("rows", "tables"),
    [
        ([0], 0),
        ([7] * 16, 0),  # constants
        ([0, 1] * 8, 1),
        ([0, 2] * 8, 1),
        ([0, 3] * 8, 2),
        ([0, 1] * 16, 2),  # five inputs: two tables, and a multiplexer that costs nothing
        ([0, 1] * 20, 3),
        ([0, -1] * 8, 2),  # one bit and the sign
        ([*range(16)], 4),
    ],
    ids=str,
)
def test_table(rows, tables):
    assert table_cost(rows) == tables


def test_a_large_table_with_equal_parts():
    parts = [0] * 100 + [0, 1] * 14 + [0] * 128
    assert 0 < table_cost(parts) < 16
    assert table_cost([n * n % 7 for n in range(256)]) > table_cost([n % 2 for n in range(256)])


def test_border():
    assert border_cost(0, 8) == 0
    assert border_cost(128, 8) == BIT_COST
    assert border_cost(3, 8) == pytest.approx(8 * BIT_COST)


def test_polynomial():
    two = PiecewisePolynomial(starts=(0, 128), c0=(0, 1), c1=(1, 3), sum_bits=4, dropped=0)
    usual = {"mirrored": False, "even": False, "multiplier": "dsp"}
    assert cost(two, 8, **usual) == 2  # a bit of c0 and one of c1
    assert cost(replace(two, starts=(0, 96)), 8, **usual) == pytest.approx(2 + 3 * BIT_COST)
    four = replace(two, starts=(0, 64, 128), c0=(0, 1, 1), c1=(1, 3, 3))
    assert cost(four, 8, **usual) == 2 + BLOCK_COST
    assert cost(two, 8, **usual | {"mirrored": True}) > cost(two, 8, **usual)
    assert cost(two, 8, **usual | {"even": True}) > cost(two, 8, **usual)
    wide = replace(two, c1=(1, 255))
    for multiplier in ("gates", "logic"):
        made = {**usual, "multiplier": multiplier}
        assert cost(wide, 8, **made) - cost(two, 8, **made) > cost(wide, 8, **usual) - cost(two, 8, **usual) + 30
    rich = replace(two, starts=tuple(range(0, 256, 2)), c0=tuple(n * n % 97 for n in range(128)), c1=(1,) * 128)
    gates, logic = (cost(rich, 8, **{**usual, "multiplier": multiplier}) for multiplier in ("gates", "logic"))
    assert gates < logic / 2  # standard cells share what look-up tables repeat
