"""Intervals: deterministic, paired, and as often right as they say."""

import math

import numpy as np
import pytest

from qse_hw.golden.evaluate import bootstrap as module
from qse_hw.golden.evaluate.bootstrap import LEAST, Bootstrap, Estimate


def test_deterministic_and_seeded():
    values = np.random.default_rng(1).normal(size=32)
    one, same, other = (Bootstrap(32, seed=seed).estimate(values) for seed in (5, 5, 6))
    assert one == same != other
    assert one.mean == other.mean == values.mean()
    assert one.low < one.mean < one.high
    assert Bootstrap(32).estimate(values) == Bootstrap(32).estimate(values)  # without a seed of one's own, too


@pytest.mark.parametrize("windows", [LEAST, 12, 32])
def test_covers_a_known_mean(windows):
    rng = np.random.default_rng(windows)
    draws = Bootstrap(windows)
    results = [draws.estimate(3 + rng.normal(size=windows)) for _ in range(1000)]
    hits = sum(estimate.low <= 3 <= estimate.high for estimate in results)
    assert 930 <= hits <= 970


@pytest.mark.parametrize(("windows", "t"), [(LEAST, 2.36462), (12, 2.20099), (32, 2.03951)])
def test_intervals_are_as_much_wider_as_students_t(windows, t):
    """Its 97.5 % quantile of ``windows - 1`` degrees of freedom, from a table."""
    expected = t / 1.95996 * math.sqrt(windows / (windows - 1))
    assert module._wider(windows) == pytest.approx(expected, rel=5e-3)


def test_interval_of_a_large_sample_is_the_normal_one():
    values = np.random.default_rng(2).normal(size=400)
    result = Bootstrap(400, resamples=20000).estimate(values)
    half = 1.96 * values.std(ddof=1) / 20
    np.testing.assert_allclose([result.low, result.high], [values.mean() - half, values.mean() + half], atol=0.1 * half)


def test_paired():
    rng = np.random.default_rng(3)
    text, draws = rng.normal(size=32), Bootstrap(32)  # how hard a window is moves both alike
    a, b = 10 * text, 10 * text + 0.1 + 0.01 * rng.normal(size=32)
    assert draws.estimate(a).high > draws.estimate(b).low
    assert not draws.estimate(b - a).within_noise
    assert draws.estimate(a - a) == Estimate(mean=0.0, low=0.0, high=0.0)


def test_few_windows_cannot_tell():
    for windows in (1, LEAST - 1):
        result = Bootstrap(windows).estimate(np.full(windows, 7.0))
        assert result == Estimate(mean=7.0, low=None, high=None)
        assert result.within_noise


@pytest.mark.parametrize(
    ("low", "high", "noise"), [(-1.0, 1.0, True), (0.0, 0.0, True), (0.1, 1.0, False), (-1.0, -0.1, False)]
)
def test_within_noise(low, high, noise):
    assert Estimate(mean=(low + high) / 2, low=low, high=high).within_noise is noise


def test_ratio_is_paired():
    """How hard a window is moves both alike, so that their ratio is known far better than either."""
    hard, draws = np.random.default_rng(4).gamma(2, size=32), Bootstrap(32)
    noise = np.random.default_rng(5).normal(1, 0.01, size=32)
    ratio, mean = draws.ratio(0.2 * hard * noise, hard), draws.estimate(hard)
    assert ratio.mean == pytest.approx(0.2 * (hard * noise).sum() / hard.sum())
    assert 0.195 < ratio.low < ratio.mean < ratio.high < 0.205
    assert mean.high > 1.2 * mean.mean
    assert draws.ratio(hard, hard) == Estimate(mean=1.0, low=1.0, high=1.0)


def test_ratio_without_a_reference_or_an_interval():
    assert Bootstrap(32).ratio(np.ones(32), np.zeros(32)) is None
    assert Bootstrap(2).ratio(np.array([1.0, 3.0]), np.array([4.0, 4.0])) == Estimate(mean=0.5, low=None, high=None)
