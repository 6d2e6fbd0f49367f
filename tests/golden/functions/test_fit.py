"""Borders and coefficients against exhaustive search on small domains."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from qse_hw.golden.functions.constraints import Constraints
from qse_hw.golden.functions.cost import border_cost
from qse_hw.golden.functions.fit import SEGMENT_COSTS, fit
from qse_hw.golden.functions.lines import Coefficients
from qse_hw.golden.functions.shape import Shape


def shape(**others):
    values = {"borders": "free", "grid": 0, "degree": 1, "slope_bits": 2, "local": False, "sum_bits": 4, "dropped": 1}
    return Shape(**values | others)


def intervals(seed, bits=4, room=6):
    """A rough curve with an interval around each of its values."""
    rng = np.random.default_rng(seed)
    t = np.arange(1 << bits)
    middle = np.cumsum(rng.integers(-3, 9, 1 << bits)) * 2
    spread = rng.integers(1, room, 1 << bits)
    return Constraints(t, t, middle - spread, middle + spread)


def possible(constraints, start, end, form):
    """Whether any coefficients within generous limits do, one after the other."""
    _, t, low, high = (values[start:end] for values in constraints)
    d = t - start if form.local else t
    step = 1 << form.dropped
    for c1 in range(-90, 91):
        least = int((low - c1 * d).max())
        most = int((high - c1 * d).min())
        if -(-least // step) <= most // step:
            return True
    return False


@pytest.mark.every(3)
@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_coefficients_exist_exactly_if_they_are_found(seed, local):
    constraints, form = intervals(seed), shape(local=local)
    search = Coefficients(constraints, form)
    both = set()
    for start, end in combinations(range(17), 2):
        there = possible(constraints, start, end, form)
        both.add(there)
        assert (search.line(start, end) is not None) == there, (start, end)
        if there:
            c0, c1, _ = search.simplest(start, end)
            _, t, low, high = (values[start:end] for values in constraints)
            y = (c0 << form.dropped) + c1 * (t - start if local else t)
            assert ((low <= y) & (y <= high)).all()
    assert both == {False, True}


@pytest.mark.every(3)
@pytest.mark.parametrize("seed", range(6))
def test_free_borders_are_the_cheapest(seed):
    constraints, form = intervals(seed), shape()
    search = Coefficients(constraints, form)
    possible_starts = []
    for count in range(16):
        for inner in combinations(range(1, 16), count):
            if all(search.line(*pair) for pair in pairwise([0, *inner, 16])):
                possible_starts.append([0, *inner])
    for segment, polynomial in zip(SEGMENT_COSTS, fit(constraints, form, 4, 16), strict=True):
        costs = [sum(segment + border_cost(start, 4) for start in starts) for starts in possible_starts]
        assert sum(segment + border_cost(start, 4) for start in polynomial.starts) == pytest.approx(min(costs))


@pytest.mark.parametrize("borders", ["free", "power-of-two", "equal"])
@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_all_values_are_within_their_intervals(seed, degree, borders):
    constraints = intervals(seed, bits=6, room=12)
    offset = {"equal": 1, "power-of-two": 2}.get(borders) if degree == 1 else None
    form = shape(borders=borders, degree=degree, local=degree == 2, truncated=1, offset_bits=offset,
                 grid=1 if borders == "equal" else 0)  # fmt: skip
    polynomial, *_ = fit(constraints, form, 6, 64)
    y = polynomial.array(constraints.argument)
    assert ((constraints.low <= y) & (y <= constraints.high)).all()
    assert [polynomial(t) for t in range(64)] == y.tolist()
    lengths = [after - start for start, after in pairwise([*polynomial.starts, 64])]
    if borders == "power-of-two":
        assert all(n & (n - 1) == 0 and start % n == 0 for start, n in zip(polynomial.starts, lengths, strict=True))
    if borders == "equal":
        assert set(lengths) == {2}


@pytest.mark.parametrize("seed", [45, 60, 80, 167])
def test_parts_of_a_segment_that_have_no_coefficients(seed):
    """A shorter segment's d has other bits of the argument, and may need a slope that is no integer."""
    constraints = intervals(seed, bits=6, room=12)
    for polynomial in fit(constraints, shape(borders="power-of-two", offset_bits=2, truncated=1), 6, 64):
        y = polynomial.array(constraints.argument)
        assert ((constraints.low <= y) & (y <= constraints.high)).all()


def test_too_many_segments():
    constraints = intervals(0)
    needed = min(one.segments for one in fit(constraints, shape(), 4, 16))
    assert fit(constraints, shape(), 4, needed)[0].segments == needed
    assert fit(constraints, shape(), 4, needed - 1) == []


def test_an_interval_without_integers():
    constraints = intervals(0)
    constraints.low[5] = constraints.high[5] + 1
    assert fit(constraints, shape(), 4, 16) == []
