"""The search for segments: costs against direct sums, the search against every layout that there is."""

import math
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.segmentation import STEPS, Costs, best_path, best_paths, costs, total, zero_position
from qse_hw.golden.calibration.tune import SegmentSearch
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.quantize import array


def layouts(codes, segments, starts, steps):
    """Every (start, ((codes, log2 step), ...)) within the budget; steps[k]: those that segment k may have."""
    for count in segments:
        for powers in product(*steps[:count]):
            for counts in product(range(1, codes + 1), repeat=count):
                if sum(counts) <= codes:
                    for start in starts:
                        yield start, tuple(zip(counts, powers, strict=True))


def positions(start, segments):
    """Of every code, and of the end."""
    at, results = start, []
    for codes, e in segments:
        for _ in range(codes):
            results.append(at)
            at += 1 << e
    return results, at


def allowed(start, segments, zero):
    """Whether zero is a code in a segment of step 1."""
    at = start
    for codes, e in segments:
        end = at + (codes << e)
        if at <= zero < end:
            return e == 0
        at = end
    return False


def nearest_error(u, counts, codes):
    """Squared error of the positions u, each at the nearest of the codes."""
    return float(counts @ np.abs(u[:, None] - np.array(codes)).min(axis=1) ** 2)


def predicted(result, codes):
    """The sum over an search's gaps, straight from the definition of Costs."""

    def at(part, position):
        return part[position] if position < len(part) else 0.0  # beyond the last value nothing errs

    between = sum(at(result.gaps[int(math.log2(b - a))], a) for a, b in pairwise(codes))
    return result.below[codes[0]] + between + at(result.above, codes[-1])


def sample(rng, kind, count=200):
    values = {
        "magnitudes": np.abs(rng.standard_normal(count)) * 3,
        "silu": (z := 3 * rng.standard_normal(count)) / (1 + np.exp(-z)),
        "symmetric": 3 * rng.standard_normal(count),
        "negative": -np.abs(rng.standard_normal(count)) - 2,
    }[kind]
    return values, rng.exponential(size=count)


@pytest.mark.parametrize("kind", ["magnitudes", "silu", "symmetric", "negative"])
@pytest.mark.parametrize("fine_step", [0.11, 0.5, 7.0])
def test_costs_are_direct_sums(rng, kind, fine_step):
    values, counts = sample(rng, kind)
    zero = None if kind == "magnitudes" else zero_position(float(values.min()), fine_step)
    cost = costs(values, counts, fine_step, zero)
    u = values / fine_step + (zero or 0)
    assert cost.zero == zero
    assert cost.gaps.shape == (STEPS, len(cost.above)) == (STEPS, len(cost.below))
    assert len(cost.above) > u.max()
    for p in range(len(cost.above)):
        for e in range(STEPS):
            inside = (u >= p) & (u < p + 2**e)
            direct = counts[inside] @ np.minimum(u[inside] - p, p + 2**e - u[inside]) ** 2
            assert cost.gaps[e, p] == pytest.approx(direct * fine_step**2, rel=1e-9, abs=1e-12)
        above = counts[u >= p] @ (u[u >= p] - p) ** 2 * fine_step**2
        assert cost.above[p] == pytest.approx(above, rel=1e-9, abs=1e-12)
        if p <= (zero or 0):
            below = counts[u < p] @ (p - u[u < p]) ** 2 * fine_step**2
            assert cost.below[p] == pytest.approx(below, rel=1e-9, abs=1e-12)
        else:
            assert cost.below[p] == np.inf


@pytest.mark.parametrize(
    ("low", "fine_step", "want"), [(0.5, 0.1, 0), (0.0, 1, 0), (-0.3, 0.1, 3), (-1, 0.4, 3), (-1, 0.5, 2)]
)
def test_zero_position_makes_room(low, fine_step, want):
    assert zero_position(low, fine_step) == want


def test_total_is_the_sum(rng):
    parts = [costs(*sample(rng, "silu"), step, 9) for step in (0.1, 0.4)]
    both = total(parts)
    short = len(parts[1].above)
    assert len(both.above) == len(parts[0].above) > short
    assert both.zero == 9
    for name in ("gaps", "below", "above"):
        long_part, short_part = (getattr(part, name) for part in parts)
        summed = getattr(both, name)
        assert np.array_equal(summed[..., :short], long_part[..., :short] + short_part)
        if name != "below":
            assert np.array_equal(summed[..., short:], long_part[..., short:])


tiny = st.tuples(
    st.lists(st.floats(-4, 9), min_size=1, max_size=7),
    st.lists(st.integers(1, 9), min_size=7, max_size=7),
    st.booleans(),
)


@given(problem=tiny, codes=st.integers(2, 6))
def test_search_finds_the_best_layout(problem, codes):
    """Steps to 8 fine steps: with 13 positions at most, longer ones are as good as the end."""
    values, counts, signed = problem
    values, counts = np.array(values), np.array(counts[: len(values)], float)
    if signed:
        values = np.abs(values)
    zero = None if signed else zero_position(float(values.min()), 1.0)
    cost = costs(values, counts, 1.0, zero)
    paths = best_paths(cost, codes, 3)
    u = values + (zero or 0)
    least = [math.inf] * 3
    for start, segments in layouts(codes, (1, 2, 3), range((zero or 0) + 1), [range(4)] * 3):
        if zero is None or allowed(start, segments, zero):
            at, _ = positions(start, segments)
            for k in range(len(segments) - 1, 3):
                least[k] = min(least[k], nearest_error(u, counts, at))
    for k, path in enumerate(paths):
        at, _ = positions(path.start, path.segments)
        assert path.error == pytest.approx(nearest_error(u, counts, at), rel=1e-9, abs=1e-9)
        assert path.error == pytest.approx(predicted(cost, at), rel=1e-9, abs=1e-9)
        assert path.error <= least[k] + 1e-9
        if max(e for _, e in path.segments) < 4:
            assert path.error >= least[k] - 1e-9
        assert len(path.segments) <= k + 1
        assert sum(n for n, _ in path.segments) <= codes
        assert zero is None or allowed(path.start, path.segments, zero)
    assert paths[0].error >= paths[1].error >= paths[2].error


@given(problem=tiny, codes=st.integers(3, 6), steps=st.lists(st.integers(0, 3), min_size=1, max_size=3))
def test_search_with_given_steps(problem, codes, steps):
    values, counts, signed = problem
    values, counts = np.array(values), np.array(counts[: len(values)], float)
    if signed:
        values = np.abs(values)
    room = 0 if signed else 8 * 3  # of coarse codes below zero
    zero = None if signed else zero_position(float(values.min()), 1.0) + room
    if not signed:
        steps[len(steps) // 2] = 0  # somewhere, zero must be exact
    cost = costs(values, counts, 1.0, zero)
    path = best_path(cost, codes, tuple(steps))
    u, least = values + (zero or 0), math.inf
    for start, segments in layouts(codes, (len(steps),), range((zero or 0) + 1), [[step] for step in steps]):
        if zero is None or allowed(start, segments, zero):
            least = min(least, nearest_error(u, counts, positions(start, segments)[0]))
    at, _ = positions(path.start, path.segments)
    assert path.error == pytest.approx(least, rel=1e-9, abs=1e-9)
    assert nearest_error(u, counts, at) == pytest.approx(least, rel=1e-9, abs=1e-9)
    merged = [step for number, step in enumerate(steps) if not number or step != steps[number - 1]]
    assert [e for _, e in path.segments] == merged
    assert sum(n for n, _ in path.segments) <= codes
    assert zero is None or allowed(path.start, path.segments, zero)


def test_a_first_segment_may_lead_far_beyond_the_last_value():
    """None is left empty, so the first code of the second is a whole step away."""
    cost = costs(np.array([0.0, 1.0]), np.array([5.0, 3.0]), 1.0, None)
    path = best_path(cost, 2, (STEPS - 1, 0))
    assert (path.segments, path.start, path.error) == (((1, STEPS - 1), (1, 0)), 0, 3.0)


def test_a_gap_that_costs_everything_is_avoided():
    gaps = np.zeros((STEPS, 12))
    gaps[0, 3] = gaps[1, 4] = 100
    cost = Costs(gaps, np.array([0.0] + [np.inf] * 11), np.array([50.0] * 9 + [0.0] * 3), None)
    path = best_paths(cost, 8, 2)[1]
    assert path.error == 0
    at, _ = positions(path.start, path.segments)
    assert at[-1] >= 9
    assert 4 not in at or 3 not in at


@pytest.mark.parametrize("sign", ["offset", "sign-magnitude"])
@pytest.mark.parametrize("kind", ["silu", "symmetric", "negative"])
def test_the_error_is_what_the_hardware_errs_by(rng, sign, kind):
    values, weights = sample(rng, kind, 3000)
    histogram = Histogram(values.astype(np.float32)[:, None], weights.astype(np.float32)[:, None])
    search = SegmentSearch(histogram, sign, 6, 5)
    before = {}
    for scale in search.near(search.companded_step(), range(-1, 2), 3, 8):
        paths = [search.path(float(scale.step), segments) for segments in range(1, 6)]
        for segments, path in enumerate(paths, 1):
            result = search.format(path, scale)
            codes = array.quantize(histogram.values, result.format, result.scale)
            fine = float(result.scale.step) / 2.0**result.format.fraction_bits
            decoded = array.dequantize_integers(codes, result.format) * fine  # not rounded to float32
            direct = float(histogram.counts @ (decoded - histogram.values.astype(np.float64)) ** 2)
            assert path.error == pytest.approx(direct, rel=1e-9)
            assert path.error == pytest.approx(histogram.squared_error(result), rel=1e-4)
            assert (result.format.bits, result.format.kind) == (6, sign)
            assert len(result.format.segments) == len(path.segments) <= segments
            assert result.format.values[result.format.zero_code] == 0
            assert result.scale.bits == 8
        assert all(a.error >= b.error for a, b in pairwise(paths))
        errors = [best_paths(search.costs(float(scale.step)), codes, 2)[1].error for codes in (4, 9, 20, 33)]
        assert errors == sorted(errors, reverse=True)
        before[scale] = paths[-1].error
    assert len(set(before.values())) == len(before) == 3  # the fine step matters


def test_a_path_is_searched_once_per_fine_step(rng, monkeypatch):
    search = SegmentSearch(Histogram(sample(rng, "silu")[0].astype(np.float32)[:, None]), "offset", 4, 2)
    first = search.path(0.25, 2)
    monkeypatch.setattr("qse_hw.golden.calibration.tune.best_paths", lambda *args: pytest.fail("again"))
    monkeypatch.setattr("qse_hw.golden.calibration.tune.pruned.best_within", lambda *args: pytest.fail("again"))
    assert search.path(0.25, 2) is first


def test_near_keeps_the_axis_short(rng):
    x = np.append(rng.standard_normal(5000), 1e5).astype(np.float32)[:, None]  # one value far out
    search = SegmentSearch(Histogram(x), "offset", 8, 2)
    for bits in (1, 4, 16):
        steps = search.near(search.companded_step(), range(-8, 9), 4, bits)
        assert len(steps) == len(set(steps)) > 0
        assert all(search.range / float(step.step) < 1.5 * (1 << 14) for step in steps)
    assert search.near(1e9, range(1), 1, 16) == [Scale.from_step(1e9)]
