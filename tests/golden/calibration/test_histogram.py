"""A tensor as its distinct values: errors are those of the tensor, but for a rounding that has a bound."""

import math

import numpy as np
import pytest

from qse_hw.golden.calibration.histogram import MAX_PEAK, MIN_PEAK, Histogram, float32_pieces, pooled, sqnr_db
from qse_hw.golden.calibration.quantizers import CodebookQuantizer, GroupedQuantizer, SegmentedQuantizer
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import load_format, se8
from qse_hw.golden.formats.scale import Scale


def silu(rng, shape=(96, 40), size=2.0):
    """What Mamba's x looks like: one-sided, dense near its floor, with a tail."""
    z = size * rng.standard_normal(shape)
    return (z / (1 + np.exp(-z))).astype(np.float32)


def squared_error(x, quantizer, weights=1.0):
    """On every value, in float64."""
    return float((weights * (quantizer.array(x).astype(np.float64) - x.astype(np.float64)) ** 2).sum())


def rounding(x, weights=1.0):
    """What rounding to 11 significant bits moves smooth data by, and an error of a nearest-value quantizer at most."""
    return 2.0**-12 * math.sqrt(float((weights * x.astype(np.float64) ** 2).sum()))


def segmented(name, step):
    return SegmentedQuantizer(format=load_format(name), scale=Scale.from_step(step))


@pytest.mark.parametrize("name", ["se8:L=12", "int8", "se8-silu", "se9-paper"])
@pytest.mark.parametrize("weighted", [False, True])
def test_error_is_the_tensors(rng, name, weighted):
    x = silu(rng)
    weights = rng.exponential(size=x.shape).astype(np.float32) if weighted else None
    w = 1.0 if weights is None else weights.astype(np.float64)
    histogram, quantizer = Histogram(x, weights), segmented(name, 0.03)
    result, direct = math.sqrt(histogram.squared_error(quantizer)), math.sqrt(squared_error(x, quantizer, w))
    assert abs(result - direct) <= rounding(x, w)
    assert histogram.power == pytest.approx(float((w * x.astype(np.float64) ** 2).sum()), rel=2.0**-10)
    assert histogram.sqnr_db(quantizer) == pytest.approx(20 * math.log10(math.sqrt(histogram.power) / result))


def test_values_are_rounded_to_11_bits(rng):
    x = silu(rng, (100, 300))
    histogram = Histogram(x)
    mantissas, _ = np.frexp(histogram.values.astype(np.float64))
    assert np.array_equal(mantissas * 2**11, np.round(mantissas * 2**11))
    assert (np.diff(histogram.values) > 0).all()
    assert (histogram.counts > 0).all()
    assert histogram.counts.sum() == x.size
    # as a multiset: sorted, each value moved by half a unit in the last place at most
    rounded = np.repeat(histogram.values, histogram.counts.astype(int))
    moved = np.abs(rounded - np.sort(x, axis=None))
    floor = 2.0**-25 * 2.0 ** math.frexp(histogram.peak)[1]  # values beyond 2**-14 of the peak have fewer bits
    assert (moved <= np.maximum(2.0**-11 * np.abs(rounded), floor)).all()
    assert (histogram.low, histogram.peak) == (float(x.min()), float(x.max()))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_few_values_are_exact(dtype):
    x = np.array([[0.5, -0.25, 3.0, 0.0, -0.0]], dtype).repeat(300, axis=0)
    histogram = Histogram(x)
    assert (histogram.low, histogram.peak) == (-0.25, 3.0)
    assert histogram.values.tolist() == [-0.25, 0, 0.5, 3]
    assert histogram.counts.tolist() == [300, 600, 300, 300]
    # decoded: 0.5, -0.25, 3.0, 0 are multiples of a quarter; at twice the step, -0.25 becomes -0.5 (half away)
    assert histogram.squared_error(SegmentedQuantizer(format=se8(8), scale=Scale.from_step(1.0))) == 0
    assert histogram.sqnr_db(SegmentedQuantizer(format=se8(8), scale=Scale.from_step(1.0))) == math.inf
    assert histogram.squared_error(SegmentedQuantizer(format=se8(8), scale=Scale.from_step(2.0))) == 300 * 0.25**2


def test_weights_are_repetitions():
    x = np.array([[0.5, -0.25, 3.0, 0.5]], np.float32)
    weighted = Histogram(x, np.array([[1, 2, 0, 4]], np.float32))
    assert weighted.values.tolist() == [-0.25, 0.5]  # what weighs nothing is not there
    assert weighted.counts.tolist() == [2, 5]
    assert weighted.power == 2 * 0.0625 + 5 * 0.25
    assert weighted.peak == 3.0


def test_larger_than_one_part(rng):
    x = silu(rng, (1100, 1000))  # more than 2**20 values
    weights = rng.uniform(0.5, 2, x.shape).astype(np.float32)
    assert [len(part) for part in float32_pieces(x)] == [1 << 20, x.size - (1 << 20)]
    quantizer = SegmentedQuantizer(format=se8(8), scale=Scale.from_step(0.05))
    want = 10 * math.log10(float((x.astype(np.float64) ** 2).sum()) / squared_error(x, quantizer))
    assert sqnr_db(x, quantizer) == pytest.approx(want, rel=1e-6)
    for w in (None, weights):
        histogram = math.sqrt(Histogram(x, w).squared_error(quantizer))
        direct = 1.0 if w is None else w.astype(np.float64)
        assert abs(histogram - math.sqrt(squared_error(x, quantizer, direct))) <= rounding(x, direct)


def test_sqnr_by_hand():
    x = np.array([[1.0, 2.0, -3.0, 0.4]], np.float32)
    quantizer = segmented("int8", 1.0)
    assert sqnr_db(x, quantizer) == pytest.approx(10 * math.log10((14 + 0.16) / 0.16), rel=1e-6)
    assert sqnr_db(x[:, :3], quantizer) == math.inf
    assert sqnr_db(x.astype(np.float16)[:, :3], quantizer) == math.inf


def test_sqnr_tells_channels_apart(rng):
    x = np.stack([rng.standard_normal(3000), 100 * rng.standard_normal(3000)], axis=1).astype(np.float32)
    fine, coarse = segmented("int8", 0.03), segmented("int8", 3.0)
    grouped = GroupedQuantizer((fine, coarse), np.array([0, 1]))
    error = squared_error(x[:, :1], fine) + squared_error(x[:, 1:], coarse)
    assert sqnr_db(x, grouped) == pytest.approx(10 * math.log10(float((x.astype(np.float64) ** 2).sum()) / error))


def test_any_quantizer():
    x = np.array([[1.0, 2.0, 5.0]], np.float32)
    assert Histogram(x).squared_error(CodebookQuantizer.nearest(np.array([1.0, 4.0]))) == 2  # 2 -> 1, 5 -> 4


def test_all_zero():
    with pytest.raises(InputError, match=r"^Activations must not all be zero, a scale would be 0$"):
        Histogram(np.zeros((4, 4), np.float32))


@pytest.mark.parametrize("peak", [3.4e38, 2.1e31, 1e-45, 1.6e-27, math.inf, math.nan])
def test_peaks_that_no_scale_reaches(peak):
    with pytest.raises(InputError, match=r"^Activations must have a peak from 2\*\*-70 to 2\*\*90, not "):
        Histogram(np.full((4, 4), peak, np.float32))


def test_one_nan_is_noticed(rng):
    x = silu(rng)
    x[3, 3] = math.nan
    with pytest.raises(InputError, match=r"^Activations must have a peak .* not nan$"):
        Histogram(x)


@pytest.mark.parametrize("peak", [MIN_PEAK, MAX_PEAK])
def test_the_last_peaks_that_a_scale_reaches(peak):
    x = np.array([[peak, -peak / 2, peak / 4]], np.float32)
    assert Histogram(x).values.tolist() == [-peak / 2, peak / 4, peak]


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (np.ones((3, 4)), r"^Weights must have the activations' shape \(4, 4\), not \(3, 4\)$"),
        (np.ones(16), r"^Weights must have the activations' shape \(4, 4\), not \(16,\)$"),
        (np.full((4, 4), -1.0), r"^Weights must be finite and not negative$"),
        (np.full((4, 4), math.nan), r"^Weights must be finite and not negative$"),
        (np.full((4, 4), math.inf), r"^Weights must be finite and not negative$"),
        (np.zeros((4, 4)), r"^Activations must not all have a weight of zero$"),
    ],
)
def test_weights_that_make_no_sense(weights, text):
    with pytest.raises(InputError, match=text):
        Histogram(np.ones((4, 4), np.float32), weights.astype(np.float32))


def test_zeros_of_either_sign_are_counted_together():
    histogram = Histogram(np.array([0.0, -0.0, 0.0, 2.0], np.float32))
    assert histogram.values.tolist() == [0, 2]
    assert histogram.counts.tolist() == [3, 1]


def test_one_value():
    histogram = Histogram(np.array([-3.0]))
    assert (histogram.values.tolist(), histogram.counts.tolist(), histogram.power) == ([-3], [1], 9)


def test_values_are_float32():
    x = np.linspace(-1, 1, 9)
    assert Histogram(x).values.dtype == np.float32
    assert [part.dtype for part in float32_pieces(x)] == [np.float32]


def test_squares_do_not_overflow(rng):
    x = rng.standard_normal((50, 8)).astype(np.float32)
    scales = [Scale.from_step(0.03 * unit) for unit in (1.0, 2.0**80)]
    near, far = (SegmentedQuantizer(format=load_format("se8"), scale=scale) for scale in scales)
    assert sqnr_db(x * np.float32(2.0**80), far) == sqnr_db(x, near)


def test_channels_are_the_last_axis(rng):
    x = rng.standard_normal((4, 3, 8)).astype(np.float32)
    grouped = GroupedQuantizer(
        tuple(SegmentedQuantizer(format=load_format("int8"), scale=Scale.from_step(step)) for step in (0.05, 0.01)),
        np.arange(8) % 2,
    )
    assert sqnr_db(x, grouped) == sqnr_db(x.reshape(12, 8), grouped)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"])
def test_integers_are_exact(rng, dtype):
    """Both ends of the type, or of what 16 bits span: each value by itself, the least one's magnitude included."""
    info = np.iinfo(dtype)
    low, high = max(info.min, -(1 << 15)), min(info.max, (1 << 15) - 1)
    x = np.append(rng.integers(low, high, 5000, endpoint=True), [low, high, high - 1]).astype(dtype)[:, None]
    histogram = Histogram(x)
    values, counts = np.unique(x.astype(np.int64), return_counts=True)
    assert histogram.values.tolist() == values.tolist()
    assert histogram.counts.tolist() == counts.tolist()
    assert (histogram.low, histogram.peak) == (low, max(high, -low))
    assert histogram.power == float((x.astype(np.float64) ** 2).sum())
    weights = rng.integers(0, 3, x.shape).astype(np.float32)
    weighted = Histogram(x, weights)
    assert weighted.counts.tolist() == [c for v in values if (c := float(weights[x == v].sum()))]


def test_the_least_integer_alone():
    """-128 has no magnitude in int8."""
    histogram = Histogram(np.full((3, 2), -128, np.int8))
    assert (histogram.peak, histogram.values.tolist(), histogram.counts.tolist()) == (128, [-128], [6])


@pytest.mark.parametrize("x", [np.array([-(2**31), 5, 2**31 - 1], np.int32), np.array([2**32 - 1, 1], np.uint32)])
def test_wide_integers_are_rounded_as_floats_are(x):
    wide, same = Histogram(x), Histogram(x.astype(np.float64))
    assert wide.values.tolist() == same.values.tolist()
    assert (wide.low, wide.peak) == (same.low, same.peak) == (float(x.min()), float(np.abs(x.astype(float)).max()))


def test_many_integers(rng):
    x = rng.integers(-128, 128, (1100, 1000)).astype(np.int8)  # more than 2**20 values
    assert Histogram(x).counts.sum() == x.size


@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 0)])
def test_no_values(shape):
    with pytest.raises(InputError, match=r"^Activations must have at least one value, but have shape \("):
        Histogram(np.zeros(shape, np.float32))


@pytest.mark.parametrize("dtype", [bool, complex, object, "U3", "datetime64[s]"])
def test_what_is_no_number(dtype):
    with pytest.raises(InputError, match=r"^Activations must be floating point or integers, not "):
        Histogram(np.zeros((2, 2), dtype))


def test_least_error_is_a_bound(rng):
    x = silu(rng)
    histogram = Histogram(x)
    for step in (0.003, 0.03, 0.3, 3.0, 30.0):
        for name, fine, reach in (("int8", 1, 128), ("se8:L=12", 1 / 4, 136), ("se8-silu", 1 / 2, 483.5)):
            lost = histogram.squared_error(segmented(name, step))
            step_ = float(Scale.from_step(step).step)
            assert histogram.least_error(fine * step_, reach * step_) <= lost * (1 + 1e-6)
    assert histogram.least_error(0, math.inf) == 0
    assert histogram.least_error(math.inf, math.inf) == histogram.power
    assert histogram.least_error(0, 0) == histogram.power


def test_values_together():
    """As one tensor's, where rounding leaves them alone; weights as repetitions."""
    first = Histogram(np.array([[-3.0, 1, 1, 2]], np.float32))
    second = Histogram(np.array([1.0, 8, 0.5], np.float32), np.array([2.0, 1, 4], np.float32))
    pool = pooled([first, second], [2, 3])
    everything = [-3.0, -3, 1, 1, 1, 1, 2, 2] + 6 * [1.0] + 3 * [8.0] + 12 * [0.5]
    alone = Histogram(np.array(everything, np.float32))
    assert pool.values.tolist() == alone.values.tolist() == [-3, 0.5, 1, 2, 8]
    assert pool.counts.tolist() == alone.counts.tolist()
    assert pool.values.dtype == np.float32
    assert (pool.low, pool.high, pool.peak, pool.power) == (-3, 8, 8, alone.power)
    assert pool.mean_weight == pytest.approx(29 / 7), "of seven values"
    quantizer = SegmentedQuantizer(format=load_format("int8"), scale=Scale.from_step(0.07))
    assert pool.squared_error(quantizer) == pytest.approx(
        2 * first.squared_error(quantizer) + 3 * second.squared_error(quantizer)
    )
    assert pooled([second, first], [3, 2]).counts.tolist() == pool.counts.tolist()
    assert first.counts.tolist() == [1, 2, 1], "left as they were"
