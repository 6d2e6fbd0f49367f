"""The points that no other point dominates."""

import math
from itertools import product

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.study.sweep.pareto import OBJECTIVES, compared, front, signed


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([], []),
        ([(1.0, 2.0)], [0]),
        ([(1, 2), (2, 1), (1, 1), (0, 0)], [0, 1]),
        ([(1, 2), (1, 2), (1, 1)], [0, 1]),  # ties stay together
        ([(1, 1), (1, 1), (1, 2)], [2]),  # or go together
        ([(3,), (1,), (3,)], [0, 2]),
        ([(math.inf, -5.0), (40.0, -4.0), (40.0, -5.0)], [0, 1]),
    ],
)
def test_by_hand(rows, kept):
    assert front(rows) == kept


def test_the_definition(rng):
    """Kept are exactly the rows to which no different row is at least equal everywhere."""
    for size, width in product((1, 5, 40), (1, 2, 3)):
        rows = rng.integers(0, 6, (size, width))
        kept = front(rows.tolist())
        beaten = [any((other >= row).all() and (other != row).any() for other in rows) for row in rows]
        assert kept == [number for number in range(size) if not beaten[number]]


def point(sqnr=40.0, comb=100, silicon=None, mhz=200.0):
    accuracy = {"sqnr_db": [sqnr, sqnr + 2], "distance_db": [3.0, 1.0]}
    area = {"comb": comb, "silicon": silicon}
    return {"target": "here", "accuracy": accuracy, "area": area, "fmax": {"median": mhz}}


def test_a_target_is_judged_by_what_it_has():
    points = [point(), point(comb=120), point(sqnr=30.0, comb=90)]
    assert compared(points, ["sqnr_db", "silicon", "comb"]) == (["sqnr_db", "comb"], [0, 2])
    assert compared([point(silicon=5.0), point(silicon=4.0)], ["silicon"]) == (["silicon"], [1])
    with pytest.raises(InputError, match=r"^Objectives must include one that target here has, not only silicon$"):
        compared(points, ["silicon"])


def test_figures():
    names = ["sqnr_db", "worst_sqnr_db", "distance_db", "fmax", "comb"]
    assert signed(point(), names) == (41.0, 40.0, -2.0, 200.0, -100.0)
    lossless = point() | {"accuracy": {"sqnr_db": [None, 50.0], "distance_db": [0.0, 1.0]}}
    assert signed(lossless, names[:3]) == (math.inf, 50.0, -0.5)
    assert {name: objective.sign for name, objective in OBJECTIVES.items() if objective.sign > 0}.keys() == {
        "sqnr_db", "worst_sqnr_db", "fmax",
    }  # fmt: skip
