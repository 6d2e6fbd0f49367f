"""The limit: the global optimum, against brute force and against the published optima."""

import math
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qse_hw.golden.calibration.candidates import Sample
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.lloyd import lloyd_max, rules_out
from qse_hw.golden.calibration.spec import BASELINES, LLOYD_MAX, parse_candidate
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import PRESETS, load_format


def source(values, weights):
    """A histogram with given weights, without the rounding to 11 bits (lloyd_max reads values and counts)."""
    return SimpleNamespace(values=np.asarray(values, np.float32), counts=np.asarray(weights, np.float64))


def error_of(book, histogram):
    values = histogram.values.astype(np.float64)
    return float(histogram.counts @ (book.array(histogram.values) - values) ** 2)


def best_partition(values, counts, levels):
    """Over all ways to cut the sorted values into at most ``levels`` runs."""
    values, least = values.astype(np.float64), math.inf
    for cuts in combinations(range(1, len(values)), min(levels, len(values)) - 1):
        error = 0.0
        for run in np.split(np.arange(len(values)), cuts):
            mean = counts[run] @ values[run] / counts[run].sum()
            error += counts[run] @ (values[run] - mean) ** 2
        least = min(least, error)
    return least


@given(
    values=st.lists(st.integers(-1000, 1000), min_size=1, max_size=10, unique=True),
    counts=st.lists(st.integers(1, 50), min_size=10, max_size=10),
    levels=st.integers(1, 4),
)
def test_the_global_optimum(values, counts, levels):
    histogram = source(sorted(values), counts[: len(values)])
    book = lloyd_max(histogram, levels)
    assert len(book.levels) <= levels
    want = best_partition(histogram.values, histogram.counts, levels)
    scale = float(histogram.counts @ histogram.values.astype(np.float64) ** 2)
    assert error_of(book, histogram) == pytest.approx(want, rel=1e-6, abs=1e-9 * scale)


@pytest.mark.parametrize("levels", [1, 2, 3, 5, 16, 100])
def test_lloyds_conditions(rng, levels):
    z = 2 * rng.standard_normal(4000)
    histogram = Histogram((z / (1 + np.exp(-z))).astype(np.float32)[:, None])
    book = lloyd_max(histogram, levels)
    assert len(book.levels) == levels
    assert np.allclose(book.thresholds, (book.levels[1:].astype(np.float64) + book.levels[:-1]) / 2, rtol=1e-6)
    cells = np.searchsorted(book.thresholds, histogram.values, side="right")
    for cell, level in enumerate(book.levels):
        inside = cells == cell
        mean = histogram.counts[inside] @ histogram.values[inside].astype(np.float64) / histogram.counts[inside].sum()
        assert level == pytest.approx(mean, rel=1e-6, abs=1e-6)


def test_no_start_of_lloyds_iteration_ends_lower(rng):
    values = np.unique(rng.standard_normal(300).astype(np.float32))
    histogram = source(values, rng.exponential(size=len(values)))
    limit = error_of(lloyd_max(histogram, 12), histogram)
    errors = []
    for _ in range(300):
        levels = np.sort(rng.choice(values, 12, replace=False)).astype(np.float64)
        for _ in range(60):
            cells = np.searchsorted((levels[1:] + levels[:-1]) / 2, values)
            n, first = np.bincount(cells, histogram.counts, 12), np.bincount(cells, histogram.counts * values, 12)
            levels = np.where(n > 0, first / np.maximum(n, 1e-300), levels)
        nearest = np.abs(values[:, None] - levels).min(axis=1)
        errors.append(float(histogram.counts @ nearest**2))
    assert limit <= min(errors) * (1 + 1e-9)
    assert min(errors) <= 1.3 * limit  # and the comparison is a close one
    assert max(errors) > 1.01 * limit


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ([0, 100, 200, 201, 202], [0, 100, 201]),
        ([0, 1, 2, 100, 200], [1, 100, 200]),
        ([0, 100, 101, 102, 200], [0, 101, 200]),
        ([0, 100, 200, 300, 301], [0, 100, 200, 300.5]),
        ([0, 100, 101, 200, 300, 400, 500], [0, 100.5, 200, 300, 400, 500]),
    ],
)
def test_a_value_apart_has_a_level_of_its_own(values, levels):
    assert lloyd_max(source(values, np.ones(len(values))), len(levels)).levels.tolist() == levels


@pytest.mark.parametrize("power", [-68, -40, 40, 84])
def test_a_unit_of_measure_does_not_matter(rng, power):
    """Of values times a power of two, which rounds nothing, the levels are as many times larger."""
    x = rng.standard_normal((1, 200)).astype(np.float32)
    levels, moved = (lloyd_max(Histogram(y), 9).levels for y in (x, x * np.float32(2.0**power)))
    assert np.array_equal(moved, levels * np.float32(2.0**power))


DENSE = 20_000


@pytest.mark.parametrize(
    ("levels", "snr"), [(1, 0.0), (2, 4.396), (4, 9.300), (8, 14.616), (16, 20.223), (32, 26.013)]
)
def test_gaussian_source(levels, snr):
    x = np.linspace(-7, 7, DENSE)  # Max 1960, table I; its distortion of 32 levels, .002499, is 0.01 dB too low
    density = np.exp(-x * x / 2)
    histogram = source(x, density / density.sum())
    assert -10 * math.log10(error_of(lloyd_max(histogram, levels), histogram)) == pytest.approx(snr, abs=0.002)


@pytest.mark.full
def test_gaussian_source_by_panter_and_dite():
    x = np.linspace(-7, 7, DENSE)
    density = np.exp(-x * x / 2)
    histogram = source(x, density / density.sum())
    for levels, correction in ((64, 0.04), (256, 0.01)):
        asymptote = math.sqrt(3) * math.pi / 2 / levels**2
        codebook = error_of(lloyd_max(histogram, levels), histogram)
        assert asymptote * (1 - correction) < codebook < asymptote  # approached from below


@pytest.mark.parametrize(("levels", "snr"), [(2, 3.01), (4, 7.54), (8, 12.64), (16, 18.13), (32, 23.87)])
def test_laplacian_source(levels, snr):
    x = np.linspace(-22, 22, DENSE)
    density = np.exp(-math.sqrt(2) * np.abs(x))
    histogram = source(x, density / density.sum())
    assert -10 * math.log10(error_of(lloyd_max(histogram, levels), histogram)) == pytest.approx(snr, abs=0.01)


def test_weights_next_to_nothing(rng):
    values = np.arange(1000.0)
    weights = np.where(rng.random(1000) < 0.5, 1.0, 1e-30)
    histogram, heavy = source(values, weights), source(values[weights == 1], weights[weights == 1])
    assert error_of(lloyd_max(histogram, 20), histogram) == pytest.approx(error_of(lloyd_max(heavy, 20), heavy))


def test_uniform_source_is_exact():
    histogram = source(np.arange(64 * 16), np.ones(64 * 16))
    book = lloyd_max(histogram, 64)
    assert book.levels.tolist() == (np.arange(64) * 16 + 7.5).tolist()


@pytest.mark.every(2)
@pytest.mark.parametrize("size", [0.3, 2.0, 6.0])
def test_no_candidate_beats_it(rng, size):
    z = size * rng.standard_normal((64, 32))
    sample = Sample((z / (1 + np.exp(-z))).astype(np.float32))
    limit = sample.histogram.squared_error(sample.limit)
    assert limit > 0
    scalar = [name for name in PRESETS if load_format(name).bits <= 8]
    scalar += [name for name in BASELINES if name not in ("quamba2", "quamba-se", LLOYD_MAX)] + ["tuned:bits=5"]
    for spec in scalar:
        assert sample.histogram.squared_error(sample.fit(parse_candidate(spec)).quantizer) >= limit
    assert sample.fit(parse_candidate(LLOYD_MAX)).quantizer is sample.limit


def test_few_values_are_kept(rng):
    x = np.array([[3.0, -1.0, 0.5, 3.0]], np.float32)
    assert lloyd_max(Histogram(x)).levels.tolist() == [-1, 0.5, 3]
    assert Histogram(x).squared_error(lloyd_max(Histogram(x), 3)) == 0
    assert lloyd_max(Histogram(x), 1).levels.tolist() == [1.375]


@pytest.mark.parametrize("levels", [5, 6])
def test_as_many_levels_as_values_lose_nothing(levels):
    """Not a bit: sums with the largest would have swallowed the smallest."""
    values = np.array([-3e9, -1e-9, 1e-9, 0.1, 3e9], np.float32)
    assert np.array_equal(lloyd_max(source(values, [1, 1e9, 3, 1e-9, 1]), levels).levels, values)


@pytest.mark.parametrize("levels", [0, -1])
def test_too_few_levels(levels):
    with pytest.raises(InputError, match=rf"^Levels must be at least 1, not {levels}$"):
        lloyd_max(Histogram(np.ones((1, 1), np.float32)), levels)


@pytest.mark.parametrize("levels", [2, 16, 128])
def test_an_error_is_ruled_out_only_if_no_codebook_has_it(rng, levels):
    z = rng.standard_normal(40_000).astype(np.float32)
    histogram = Histogram((z / (1 + np.exp(-z)))[:, None])
    least = histogram.squared_error(lloyd_max(histogram, levels))
    assert not any(rules_out(histogram, levels, factor * least) for factor in (1, 1.001, 2, 10))
    assert rules_out(histogram, levels, least / 4)  # about that of twice as many levels


def test_nothing_is_ruled_out_where_every_value_has_a_level(rng):
    histogram = Histogram(np.arange(1, 100, dtype=np.float32)[:, None])
    assert not rules_out(histogram, 128, 0.0)
