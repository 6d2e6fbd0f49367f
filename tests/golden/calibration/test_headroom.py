"""Room for outliers that come later: which values are made up, and that they decide wherever formats are compared."""

import math

import numpy as np
import pytest

from qse_hw.golden.calibration.calibrate import Layer, calibrate
from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.headroom import COUNT, with_headroom
from qse_hw.golden.calibration.histogram import MAX_PEAK, MIN_PEAK, Histogram
from qse_hw.golden.calibration.sharing import MODES, fit_layers
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.calibration.tune import Budget, Tuner
from qse_hw.golden.errors import InputError

SPEC = "tuned:segments=4,bits=6"


def silu(rng, shape=(64, 32), size=2.0):
    z = size * rng.standard_normal(shape)
    return (z / (1 + np.exp(-z))).astype(np.float32)


def made_up(x, headroom, weights=None):
    """Values and weights that are in the histogram with headroom alone."""
    plain = Histogram(np.array(x)[None], weights)
    roomy = with_headroom(plain, headroom)
    assert (np.diff(roomy.values) >= 0).all()
    expected = plain.mean_weight * min(16, max(1, x.size / 1024))
    assert roomy.counts.sum() == pytest.approx(plain.counts.sum() + expected)
    assert roomy.power == pytest.approx((roomy.counts * roomy.values.astype(float) ** 2).sum())
    assert (roomy.low, roomy.high) == (min(x.min(), roomy.values[0]), max(x.max(), roomy.values[-1]))
    assert roomy.peak == max(-roomy.low, roomy.high)
    new = ~np.isin(roomy.values, plain.values)
    return roomy.values[new], roomy.counts[new]


def test_values_from_the_peak_to_headroom_times_the_peak():
    x = np.array([-0.25, 0.5, 1.0, 8.0], np.float32)
    values, counts = made_up(x, 1.5)
    assert values.tolist() == [8 + number / 4 for number in range(1, 17)]
    assert counts.tolist() == [1 / 16] * 16
    values, _ = made_up(-x, 3)
    assert values.tolist() == [-24.0 + number for number in range(16)]


@pytest.mark.parametrize(("low", "sides"), [(-5.0, 1), (-5.5, 2), (-8.0, 2), (-11.75, 2), (-12.25, 1)])
def test_either_side_where_both_reach_nearly_as_far(low, sides):
    """1.5 times 5.5 is more than 8, and 1.5 times 8 is less than 12.25."""
    values, counts = made_up(np.array([low, 0.5, 8.0], np.float32), 1.5)
    assert len(values) == sides * COUNT
    assert set(counts.tolist()) == {1 / 16 / sides}
    assert min(values[0], low) == (1.5 * low if sides == 2 or -low > 8 else low)
    assert max(values[-1], 8) == (12 if sides == 2 or -low < 8 else 8)


def test_values_that_are_all_above_zero_have_no_lower_end():
    values, _ = made_up(np.array([20.0, 22.0, 24.0], np.float32), 1.5)
    assert values[0] > 24
    values, _ = made_up(np.array([-20.0, -22.0, -24.0], np.float32), 1.5)
    assert values[-1] < -24


def test_weights_are_means():
    x, weights = np.array([-0.25, 1.0, 8.0, 0.0], np.float32), np.array([[3.0, 1, 0, 4]], np.float32)
    _, counts = made_up(x, 2.0, weights)
    assert counts.tolist() == [2 / 16] * COUNT


@pytest.mark.parametrize(
    ("size", "together"),
    [(1, 1), (7, 1), (1024, 1), (1536, 1.5), (2048, 2), (16383, 16383 / 1024), (16384, 16), (16385, 16), (10**6, 16)],
)
def test_together_they_weigh_as_one_value_in_1024_within_bounds(size, together):
    """At least as one value seen, at most as 16; of either side half."""
    x = np.ones(size, np.float32)
    _, counts = made_up(x, 1.5)
    assert counts.tolist() == pytest.approx([together / 16] * 16)
    _, counts = made_up(x, 1.5, np.full((1, size), 3, np.float32))
    assert counts.tolist() == pytest.approx([3 * together / 16] * 16)
    if size > 1:
        x[0] = -1
        _, counts = made_up(x, 1.5)
        assert counts.tolist() == pytest.approx([together / 32] * 32)


@pytest.mark.full
def test_integers_end_where_their_type_does():
    """What int8 can be, 8 bits represent exactly, headroom or not."""
    x = np.arange(-128, 128, dtype=np.int8)[None]
    roomy = with_headroom(Histogram(x), 1.5)
    assert (roomy.low, roomy.high, roomy.values[0], roomy.values[-1]) == (-128, 127, -128, 127)
    assert with_headroom(Histogram(x.astype(np.int16)), 1.5).high == 190.5
    assert math.isinf(Histogram(x).sqnr_db(Fitter(Histogram(x)).least_squares(parse_format("tuned:segments=1"))))


def test_no_headroom_changes_nothing(rng):
    histogram = Histogram(silu(rng))
    assert with_headroom(histogram, 1) is histogram
    fitter = Fitter(histogram)
    assert fitter.with_headroom(1.0) is fitter
    wanted = parse_format(f"{SPEC},headroom=1").budget
    own = [Tuner(histogram, wanted).best(4), *fitter.presets(wanted)]
    assert fitter.least_squares(parse_format(f"{SPEC},headroom=1")) == min(own, key=histogram.squared_error)


@pytest.mark.parametrize("headroom", [0.999, 8.001, math.nan, -1, math.inf])
def test_headrooms_that_make_no_sense(headroom):
    with pytest.raises(InputError, match=rf"^Headroom must be from 1 to 8, not {headroom!r}$"):
        with_headroom(Histogram(np.ones((1, 1), np.float32)), headroom)


@pytest.mark.full
def test_an_outlier_that_comes_later(rng):
    """Without headroom it saturates and takes more than 10 dB; with it, it costs next to nothing; nor does the room."""
    seen, later = (silu(rng, (2048, 64)) for _ in range(2))
    seen, later = np.minimum(seen, 8), np.minimum(later, 8)
    later[:40, 0] = 11.9
    fitter, after = Fitter(Histogram(seen)), Histogram(later)
    tight, roomy = (fitter.least_squares(parse_format(f"tuned:headroom={headroom}")) for headroom in (1, 1.5))
    assert after.sqnr_db(tight) < fitter.histogram.sqnr_db(tight) - 10
    assert after.sqnr_db(roomy) > fitter.histogram.sqnr_db(roomy) - 1
    assert fitter.histogram.sqnr_db(roomy) > fitter.histogram.sqnr_db(tight) - 0.5
    peak = fitter.histogram.peak
    reach = roomy.format.reach * float(roomy.scale.step)
    coarsest = 2.0 ** max(segment.log2_step for segment in roomy.format.segments) * float(roomy.scale.step)
    assert reach >= 1.5 * peak - coarsest
    assert tight.format.reach * float(tight.scale.step) < 1.1 * peak


@pytest.mark.every(3)
@pytest.mark.parametrize("segments", [1, 3, 6])
def test_the_default_is_judged_with_headroom(rng, segments):
    """The tuned format beats every preset on values and headroom together."""
    fitter = Fitter(Histogram(silu(rng, size=0.5)))
    spec = f"tuned:segments={segments}"
    assert parse_format(spec).budget.headroom == Budget().headroom > 1
    quantizer, roomy = fitter.least_squares(parse_format(spec)), fitter.with_headroom(Budget().headroom)
    assert quantizer == fitter.least_squares(parse_format(f"{spec},headroom={Budget().headroom}"))
    assert fitter.presets(parse_format(spec).budget) == roomy.presets(parse_format(spec).budget)
    error = roomy.histogram.squared_error(quantizer)
    assert error <= min(roomy.histogram.squared_error(one) for one in fitter.presets(parse_format(spec).budget))
    assert fitter.at(parse_format(spec), 0.01) == roomy.at(parse_format(spec), 0.01)
    assert roomy.histogram.squared_error(fitter.at(parse_format(spec), 0.01)) >= error


def test_a_fitter_with_headroom_is_its_own(rng):
    fitter = Fitter(Histogram(silu(rng)), scale_bits=8)
    roomy, more = fitter.with_headroom(1.5), fitter.with_headroom(2)
    assert roomy.with_headroom(1.5) is roomy
    assert more.with_headroom(1.5) is roomy
    assert roomy.with_headroom(2) is more
    assert roomy.with_headroom(1) is fitter
    assert roomy.scale_bits == 8
    assert more.histogram.peak == pytest.approx(2 * fitter.histogram.peak)
    assert roomy.least_squares(parse_format(SPEC)) == fitter.least_squares(parse_format(SPEC))


@pytest.mark.every(3)
@pytest.mark.parametrize("mode", MODES)
def test_what_layers_share_has_headroom(rng, mode):
    layers = [np.minimum(silu(rng, size=size), 3 * size) for size in (0.7, 2)]
    quantizers = {
        headroom: fit_layers([Fitter(Histogram(x)) for x in layers], parse_format(f"{SPEC},headroom={headroom}"), mode)
        for headroom in (1, 2)
    }
    for x, tight, roomy in zip(layers, quantizers[1], quantizers[2], strict=True):
        later = np.append(x, np.float32(1.9) * x.max()).astype(np.float32)[None]
        assert Histogram(later).sqnr_db(roomy) > Histogram(later).sqnr_db(tight) + 1


@pytest.mark.full
def test_the_output_is_judged_with_headroom(rng):
    """Of two formats that err alike at the output, the one with room for what comes later is chosen."""
    x = np.minimum(silu(rng, (16, 4)), 4)  # so few that what is made up weighs as much as one in 64
    asked = []

    def output_error(rivals):
        asked.extend(rivals)
        return [1e-4] * len(rivals)

    layer = Layer(x=x, weights=np.ones_like(x), output_error=output_error)
    calibration = calibrate([layer], "tuned:segments=3,headroom=2")
    plain = Histogram(x)
    roomy = with_headroom(plain, 2)
    growth = [roomy.squared_error(rival) / plain.squared_error(rival) for rival in asked]
    assert max(growth) > 1.2 * min(growth)
    assert growth[asked.index(calibration.layer(0).quantizer)] == min(growth)


@pytest.mark.parametrize("peak", [MIN_PEAK, MAX_PEAK, -MAX_PEAK])
def test_as_much_as_there_may_be(peak):
    fitter = Fitter(Histogram(np.array([[peak, peak / 3, peak / 7]], np.float32)))
    assert fitter.histogram.sqnr_db(fitter.least_squares(parse_format("tuned:bits=4,headroom=8"))) > 0
