"""Finding scales: the recipe's percentile, re-implemented; least squares, against brute force."""

import math
from fractions import Fraction

import numpy as np
import pytest

from golden import array, scalar
from golden.calibrate import (
    ALPHA,
    MAX_PEAK,
    MIN_PEAK,
    Histogram,
    by_least_squares,
    by_percentile,
    percentile_step,
    sqnr_db,
)
from golden.errors import InputError
from golden.inputs import input_type
from golden.presets import int8_asym, load_format, se8, se8_silu
from golden.scale import Scale


def silu(rng, shape=(96, 40), size=2.0):
    """What Mamba's x looks like: one-sided, dense near its floor, with a tail."""
    z = size * rng.standard_normal(shape)
    return (z / (1 + np.exp(-z))).astype(np.float32)


def squared_error(x, format, scale):
    """With no help from the code under test but the quantiser itself, in float64, on every value."""
    decoded = array.dequantise(array.quantise(x, format, scale), format, scale).astype(np.float64)
    return float(((decoded - x.astype(np.float64)) ** 2).sum())


def histogram_is_off_by(x, format, scale):
    return abs(math.sqrt(Histogram(x).squared_error(format, scale)) - math.sqrt(squared_error(x, format, scale)))


def rounding(x):
    """What rounding to 11 significant bits moves x by, and an error of a nearest-value quantiser by at most."""
    return 2.0**-12 * float(np.linalg.norm(x.astype(np.float64)))


def recipe(x, alpha):
    """arXiv 2410.13229's calibration of x: a moving average of each 512-token sample's quantile, over 127."""
    m = None
    for begin in range(0, len(x), 512):
        ordered = sorted(abs(float(v)) for v in x[begin : begin + 512].reshape(-1))
        place = alpha * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        cur = ordered[low] + (place - low) * (ordered[high] - ordered[low])
        m = cur if m is None else m + 0.01 * (cur - m)
    return m / 127


@pytest.mark.parametrize("tokens", [1, 511, 512, 513, 1024, 1300])
@pytest.mark.parametrize("alpha", [ALPHA, 0.99999, 1.0, 0.5, 0.01])
def test_percentile_is_the_recipe(rng, tokens, alpha):
    x = silu(rng, (tokens, 8)) * np.linspace(1, 3, tokens, dtype=np.float32)[:, None]  # samples that differ
    got, want = percentile_step(x, alpha), recipe(x, alpha)
    assert got == pytest.approx(want, rel=1e-14)
    assert Scale.from_step(got) == Scale.from_step(want)


def test_percentile_takes_the_samples_in_order(rng):
    x = silu(rng, (1024, 4))
    x[512:] *= 5
    assert percentile_step(x) < percentile_step(x[::-1]) / 4  # the first sample weighs most


def test_percentile_of_half_precision(rng):
    x = silu(rng).astype(np.float16)
    assert percentile_step(x) == percentile_step(x.astype(np.float32))


@pytest.mark.parametrize("alpha", [0, -0.5, 1.0000001, math.nan, math.inf, -math.inf])
def test_bad_alpha(rng, alpha):
    with pytest.raises(InputError, match=r"^Alpha must be above 0 and at most 1, not "):
        percentile_step(silu(rng), alpha)


def test_sparse_activations_have_no_percentile():
    x = np.zeros((600, 4), np.float32)
    x[0, 0] = 1
    with pytest.raises(InputError, match=r"^Activations must not be zero up to their 0.9995 quantile"):
        percentile_step(x)
    assert percentile_step(x, 1.0) == pytest.approx(0.99 / 127)  # the second sample is all zero


@pytest.mark.parametrize("name", ["se8:L=12", "int8", "se8-silu", "se9-paper"])
def test_histogram_error_is_the_tensors(rng, name):
    x = silu(rng)
    assert histogram_is_off_by(x, load_format(name), Scale.from_step(0.03)) <= rounding(x)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_histogram_of_few_values_is_exact(dtype):
    x = np.array([[0.5, -0.25, 3.0, 0.0]], dtype).repeat(300, axis=0)
    histogram = Histogram(x)
    assert (histogram.low, histogram.peak) == (-0.25, 3.0)
    format, scale = se8(8), Scale.from_step(1.0)
    # decoded: 0.5, -0.25, 3.0, 0 are multiples of a quarter; at twice the step, -0.25 becomes -0.5 (half away)
    assert histogram.squared_error(format, scale) == 0
    assert histogram.squared_error(format, Scale.from_step(2.0)) == 300 * 0.25**2


FAMILIES = {
    "se8": lambda s, low: [se8(L) for L in range(2, 16)],
    "se8-silu": lambda s, low: [
        se8_silu(K, Z) for K in range(16, 72, 8) for Z in [max(0, math.ceil(-low / s * 2 - 0.5))] if Z < K
    ],
    "int8-asym": lambda s, low: [int8_asym(Z) for Z in [max(0, math.ceil(-low / s - 0.5))] if Z < 256],
    "int8": lambda s, low: [load_format("int8")],
    "se9-paper": lambda s, low: [load_format("se9-paper")],
    "se8:L=3": lambda s, low: [se8(3)],
}


@pytest.mark.parametrize("spec", FAMILIES)
def test_least_squares_against_brute_force(rng, spec):
    x = silu(rng, (64, 32))
    best = by_least_squares(x, Histogram(x), spec)
    peak, low = float(np.abs(x).max()), float(x.min())
    got = math.sqrt(squared_error(x, best.format, best.scale))
    searched = [Scale.from_step(peak / 32 * 2 ** (-n / 6)) for n in range(31)]
    dense = [Scale.from_step(peak / 32 * 2 ** (-n / 40)) for n in range(200)]
    errors = {}
    for which, scales in (("searched", searched), ("dense", dense)):
        candidates = [(scale, format) for scale in scales for format in FAMILIES[spec](float(scale.step), low)]
        assert candidates
        errors[which] = min(math.sqrt(squared_error(x, format, scale)) for scale, format in candidates)
    assert got <= errors["searched"] + 2 * rounding(x)
    assert got <= 1.02 * errors["dense"] + 2 * rounding(x)  # 0.2 dB: a small tensor is not smooth between steps


@pytest.mark.parametrize("spec", FAMILIES)
def test_choices_are_deterministic_and_tell_their_sqnr(rng, spec):
    x = silu(rng)
    found = [(by_least_squares(y, Histogram(y), spec), by_percentile(y, Histogram(y), spec)) for y in (x, x.copy())]
    assert found[0] == found[1]
    for choice in found[0]:
        power = float((x.astype(np.float64) ** 2).sum())
        want = 10 * math.log10(power / squared_error(x, choice.format, choice.scale))
        assert choice.sqnr_db == pytest.approx(want, rel=1e-9)
    best, quamba = found[0]
    assert quamba.scale == Scale.from_step(percentile_step(x))
    assert best.sqnr_db > quamba.sqnr_db - 0.05


@pytest.mark.parametrize("spec", ["se8", "se8-silu"])
def test_percentile_picks_the_best_format_at_its_scale(rng, spec):
    x = silu(rng)
    choice = by_percentile(x, Histogram(x), spec, alpha=0.99)
    got = math.sqrt(squared_error(x, choice.format, choice.scale))
    for format in FAMILIES[spec](float(choice.scale.step), float(x.min())):
        assert got <= math.sqrt(squared_error(x, format, choice.scale)) + 2 * rounding(x)


def test_zero_point_keeps_the_minimum_within_half_a_step(rng):
    x = silu(rng)
    for spec in ("se8-silu", "int8-asym"):
        choice = by_least_squares(x, Histogram(x), spec)
        fine = choice.scale.step / Fraction(2) ** choice.format.fraction_bits
        assert (choice.format.zero_point + Fraction(1, 2)) * fine >= -Fraction(float(x.min()))
        assert (choice.format.zero_point - Fraction(1, 2)) * fine < -Fraction(float(x.min()))  # and no larger


@pytest.mark.parametrize("bits", [1, 8, 20])
def test_scale_bits(rng, bits):
    x = silu(rng)
    histogram = Histogram(x)
    assert by_least_squares(x, histogram, "se8", scale_bits=bits).scale.bits == bits
    assert by_percentile(x, histogram, "se8", scale_bits=bits).scale.bits == bits


def test_sqnr_by_hand():
    x = np.array([[1.0, 2.0, -3.0, 0.4]], np.float32)
    format, scale = load_format("int8"), Scale.from_step(1.0)
    assert sqnr_db(x, format, scale) == pytest.approx(10 * math.log10((14 + 0.16) / 0.16), rel=1e-6)
    assert sqnr_db(x[:, :3], format, scale) == math.inf
    fp32 = input_type("fp32")
    codes = [scalar.quantise(int(b), fp32, format, scale).code for b in x.view(np.uint32).reshape(-1)]
    assert codes == [1, 2, 256 - 3, 0]


def test_larger_than_one_part(rng):
    x = silu(rng, (1100, 1000))  # more than 2**20 values
    format, scale = se8(8), Scale.from_step(0.05)
    want = 10 * math.log10(float((x.astype(np.float64) ** 2).sum()) / squared_error(x, format, scale))
    assert sqnr_db(x, format, scale) == pytest.approx(want, rel=1e-9)
    assert histogram_is_off_by(x, format, scale) <= rounding(x)


def test_all_zero():
    with pytest.raises(InputError, match=r"^Activations must not all be zero, a scale would be 0$"):
        Histogram(np.zeros((4, 4), np.float32))


@pytest.mark.parametrize("peak", [3.4e38, 2.1e31, 1e-45, 1.6e-27, math.inf, math.nan])
def test_peaks_that_no_scale_reaches(peak):
    with pytest.raises(InputError, match=r"^Activations must have a peak from 2\*\*-89 to 2\*\*104, not "):
        Histogram(np.full((4, 4), peak, np.float32))


@pytest.mark.parametrize("peak", [MIN_PEAK, MAX_PEAK, -MIN_PEAK, -MAX_PEAK])
@pytest.mark.parametrize("bits", [1, 16])
def test_peaks_at_the_end(peak, bits):
    x = np.array([[peak, peak / 3, peak / 7]], np.float32)
    choice = by_least_squares(x, Histogram(x), "se8", scale_bits=bits)
    assert choice.sqnr_db > 25


@pytest.mark.parametrize("spec", ["se8-silu", "int8-asym"])
def test_a_format_that_cannot_reach_the_minimum(spec):
    x = np.array([[-300.0, 1.0]], np.float32)
    with pytest.raises(InputError, match=rf"^Format {spec} does not fit these activations: .* -300, .*signed format$"):
        by_percentile(x, Histogram(x), spec, alpha=0.01)
