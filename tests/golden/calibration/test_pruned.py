"""The pruned search of segments against the plain one, and its lower bounds."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qse_hw.golden.calibration import pruned
from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.segmentation import STEPS, Costs, best_paths, costs, zero_position
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.calibration.tune import Budget, Tuner
from qse_hw.golden.errors import InputError


def check(cost: Costs, codes: int, segments: int) -> None:
    """Equal on every bit, and each bound below its error."""
    for count, plain in enumerate(best_paths(cost, codes, segments), 1):
        assert pruned.best_within(cost, codes, count) == plain
        assert pruned.least_error(cost, codes, count) <= plain.error


@pytest.fixture(autouse=True)
def compiled():
    assert pruned.available()


@given(
    values=st.lists(st.floats(-9, 200) | st.integers(-9, 60), min_size=1, max_size=40),
    counts=st.lists(st.integers(1, 9), min_size=40, max_size=40),
    codes=st.integers(1, 20),
    signed=st.booleans(),
)
def test_small_problems(values, counts, codes, signed):
    values, counts = np.array(values, float), np.array(counts[: len(values)], float)
    values = np.abs(values) if signed else values
    check(costs(values, counts, 1.0, None if signed else zero_position(float(values.min()), 1.0)), codes, 4)


@given(codes=st.integers(1, 12), seed=st.integers(0, 1 << 32))
def test_arbitrary_costs_with_many_equal_ones(codes, seed):
    rng = np.random.default_rng(seed)
    length = int(rng.integers(1, 40))
    gaps = rng.integers(0, 3, (STEPS, length)).astype(float)
    below = np.where(np.arange(length) <= length // 3, np.arange(length), np.inf).astype(float)
    above = rng.integers(0, 9, length).astype(float)
    check(Costs(gaps, below, above, int(rng.integers(length // 3 + 1)) if seed % 2 else None), codes, 8)


def test_no_error_rounds_to_less_than_0():
    """Values on the grid have no error; the search finds the path of their codes."""
    fine_step = 7393.190797796535  # of these moments one gap's error was rounded to -8e-7
    values = np.array([5, 8, 4, 5, 1, 1]) * fine_step
    cost = costs(values, np.array([79.0, 966, 358, 321, 840, 201]), fine_step, None)
    assert min(part.min() for part in (cost.gaps, cost.below, cost.above)) == 0
    check(cost, 40, 3)
    assert pruned.best_within(cost, 40, 1).segments == ((9, 0),)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("fine_step", [0.02, 0.1])
def test_a_layer(rng, signed, fine_step):
    z = 2 * rng.standard_normal(20_000)
    values = z / (1 + np.exp(-z))
    values = np.abs(values) if signed else values
    zero = None if signed else zero_position(float(values.min()), fine_step)
    cost = costs(values, np.ones(len(values)), fine_step, zero)
    check(cost, 64, 6)
    paths = [pruned.best_within(cost, 64, count) for count in range(1, 7)]
    bounds = [pruned.least_error(cost, 64, count) for count in range(1, 7)]
    assert all(a.error >= b.error for a, b in pairwise(paths))
    assert all(path.error / 2 <= bound for path, bound in zip(paths, bounds, strict=True))


def test_no_path():
    cost = Costs(np.zeros((STEPS, 3)), np.full(3, math.inf), np.zeros(3), None)
    assert pruned.best_within(cost, 4, 2).error == math.inf == pruned.least_error(cost, 4, 2)


@pytest.mark.every(2)
@pytest.mark.parametrize("few", [False, True])
def test_the_tuner_finds_the_same_without_a_compiler(rng, monkeypatch, few):
    z = rng.standard_normal((30 if few else 2_000, 4)).astype(np.float32)
    histogram = Histogram(z / (1 + np.exp(-z)))
    budget = Budget(segments=4, bits=5)
    fast = [Tuner(histogram, budget).best(segments) for segments in (1, 3, 4)]
    spec = parse_format("tuned:segments=4,bits=5")
    fast.append(Fitter(histogram, steps=[0.05]).best(spec))
    monkeypatch.setattr(pruned, "available", lambda: False)
    plain = [Tuner(histogram, budget).best(segments) for segments in (1, 3, 4)]
    assert fast == [*plain, Fitter(histogram, steps=[0.05]).best(spec)]


def test_without_a_compiler(monkeypatch):
    def absent(*args):
        raise InputError("Program g++ was not found")

    cost = costs(np.array([0.0, 1.0, 5.0]), np.ones(3), 1.0, None)
    fast = pruned.best_within(cost, 2, 2)
    monkeypatch.setattr(pruned, "load_library", absent)
    pruned._library.cache_clear()
    try:
        assert not pruned.available()
        assert pruned.best_within(cost, 2, 2) == fast
        assert pruned.least_error(cost, 2, 2) == 0
    finally:
        pruned._library.cache_clear()
