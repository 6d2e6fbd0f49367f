"""Formats and scales by least squared error, against brute force; how a format is asked for."""

import math
from fractions import Fraction

import numpy as np
import pytest

from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.histogram import MAX_PEAK, MIN_PEAK, Histogram
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.calibration.tune import Budget
from qse_hw.golden.formats.presets import int8_asym, load_format, se8, se8_silu
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.quantize import array


def silu(rng, shape=(96, 40), size=2.0):
    z = size * rng.standard_normal(shape)
    return (z / (1 + np.exp(-z))).astype(np.float32)


def root_error(x, format, scale):
    """With no help from the code under test but the quantizer itself, in float64, on every value."""
    decoded = array.dequantize(array.quantize(x, format, scale), format, scale).astype(np.float64)
    return math.sqrt(((decoded - x.astype(np.float64)) ** 2).sum())


def rounding(x):
    """By how much, at most, the histogram's rounding moves an error's root."""
    return 2.0**-12 * float(np.linalg.norm(x.astype(np.float64)))


FAMILIES = {
    "se8": lambda s, low: [se8(L) for L in range(1, 16)],
    "se8-silu": lambda s, low: [  # those whose floor is where the values begin; some others are compared, too
        se8_silu(K, Z) for K in range(1, 128) for Z in [max(0, math.ceil(-low / s * 2 - 0.5))] if Z < K
    ],
    "int8-asym": lambda s, low: [int8_asym(Z) for Z in [max(0, math.ceil(-low / s - 0.5))] if Z < 256],
    "int8": lambda s, low: [load_format("int8")],
    "se9-paper": lambda s, low: [load_format("se9-paper")],
    "se8:L=3": lambda s, low: [se8(3)],
}


@pytest.mark.every(3)
@pytest.mark.parametrize("spec", FAMILIES)
def test_least_squares_against_brute_force(rng, spec):
    x = silu(rng, (64, 32))
    best = Fitter(Histogram(x)).least_squares(parse_format(spec))
    peak, low = float(np.abs(x).max()), float(x.min())
    got = root_error(x, best.format, best.scale)
    searched = [Scale.from_step(peak / 32 * 2 ** (-n / 6)) for n in range(31)]
    dense = [Scale.from_step(peak / 32 * 2 ** (-n / 40)) for n in range(200)]
    errors = {}
    for which, scales in (("searched", searched), ("dense", dense)):
        candidates = [(scale, format) for scale in scales for format in FAMILIES[spec](float(scale.step), low)]
        assert candidates
        errors[which] = min(root_error(x, format, scale) for scale, format in candidates)
    assert got <= errors["searched"] + 2 * rounding(x)
    assert got <= 1.02 * errors["dense"] + 2 * rounding(x)  # 0.2 dB: a small tensor is not smooth between steps


@pytest.mark.parametrize("spec", [*FAMILIES, "tuned:bits=4,segments=3"])
def test_deterministic(rng, spec):
    x = silu(rng)
    fitters = [Fitter(Histogram(y)) for y in (x, x.copy())]
    quantizers = [(fitter.least_squares(parse_format(spec)), fitter.at(parse_format(spec), 0.11)) for fitter in fitters]
    assert quantizers[0] == quantizers[1]
    fitter = Fitter(Histogram(x))
    reversed_order = fitter.at(parse_format(spec), 0.11), fitter.least_squares(parse_format(spec))
    assert reversed_order[::-1] == quantizers[0]  # what was searched before changes nothing


@pytest.mark.parametrize("spec", ["se8", "se8-silu"])
def test_at_picks_the_best_format_at_that_scale(rng, spec):
    x, step = silu(rng), 0.041
    quantizer = Fitter(Histogram(x)).at(parse_format(spec), step)
    assert quantizer.scale == Scale.from_step(step)
    got = root_error(x, quantizer.format, quantizer.scale)
    members = FAMILIES[spec](float(quantizer.scale.step), float(x.min()))
    errors = [root_error(x, format, quantizer.scale) for format in members]
    assert min(errors) - 2 * rounding(x) <= got <= min(errors) + 2 * rounding(x)
    assert max(errors) > 1.2 * got


@pytest.mark.parametrize("segments", [1, 2, 4])
def test_at_keeps_to_the_budget(rng, segments):
    quantizer = Fitter(Histogram(silu(rng)), scale_bits=5).at(parse_format(f"tuned:bits=4,segments={segments}"), 0.3)
    assert len(quantizer.format.segments) <= segments
    assert quantizer.format.bits == 4
    wanted = Scale.from_step(0.3, 5)
    assert (quantizer.scale.M, quantizer.scale.bits) == (wanted.M, 5)


@pytest.mark.parametrize("name", ["int8", "se8:L=5", "se9-paper"])
def test_scale_for(rng, name):
    x = silu(rng)
    fitter, format = Fitter(Histogram(x)), load_format(name)
    quantizer = fitter.scale_for(format)
    assert quantizer.format is format
    dense = [Scale.from_step(0.3 * 2 ** (-n / 64)) for n in range(600)]
    least = min(root_error(x, format, s) for s in dense)
    assert root_error(x, format, quantizer.scale) <= 1.02 * least + 2 * rounding(x)
    near = fitter.scale_for(format, near=quantizer.scale)
    assert fitter.histogram.squared_error(near) <= fitter.histogram.squared_error(quantizer)
    far = Scale.from_step(float(quantizer.scale.step) * 16)
    assert float(fitter.scale_for(format, near=far).scale.step) >= float(quantizer.scale.step) * 8  # near means near


@pytest.mark.parametrize("format", [se8_silu(), int8_asym(3), se8_silu(K=40, zero_point=1)])
def test_scale_for_a_format_whose_floor_is_nearer_than_its_top(rng, format):
    """The floor, not the peak, asks for the scale: what lies below it is lost."""
    x = silu(rng, size=1.0)
    fitter = Fitter(Histogram(x))
    quantizer = fitter.scale_for(format)
    dense = [Scale.from_step(4.0 * 2 ** (-n / 64)) for n in range(900)]
    least = min(root_error(x, format, s) for s in dense)
    assert root_error(x, format, quantizer.scale) <= 1.02 * least + 2 * rounding(x)


def test_weights_move_the_scale(rng):
    x = silu(rng)
    heavy_tail = Fitter(Histogram(x, (np.abs(x) > 3).astype(np.float32))).least_squares(parse_format("int8"))
    heavy_core = Fitter(Histogram(x, (np.abs(x) < 0.3).astype(np.float32))).least_squares(parse_format("int8"))
    assert heavy_core.scale.step < heavy_tail.scale.step / 2


def test_zero_point_keeps_the_minimum_within_half_a_step(rng):
    x = silu(rng)
    for spec in ("se8-silu", "int8-asym"):
        quantizer = Fitter(Histogram(x)).least_squares(parse_format(spec))
        fine = quantizer.scale.step / Fraction(2) ** quantizer.format.fraction_bits
        assert (quantizer.format.zero_point + Fraction(1, 2)) * fine >= -Fraction(float(x.min()))
        assert (quantizer.format.zero_point - Fraction(1, 2)) * fine < -Fraction(float(x.min()))  # and no larger


@pytest.mark.parametrize("bits", [1, 8, 20])
@pytest.mark.parametrize("spec", ["se8", "tuned:bits=3"])
def test_scale_bits(rng, bits, spec):
    histogram = Histogram(silu(rng, (32, 20)))
    asked = parse_format(spec)
    for fitter, order in ((Fitter(histogram, scale_bits=bits), order) for order in (1, -1)):
        searches = [lambda by: by.least_squares(asked), lambda by: by.at(asked, 0.2), lambda by: by.scale_for(se8(4))]
        for search in searches[::order]:  # what the first of them finds serves the others
            assert search(fitter).scale.bits == bits


@pytest.mark.parametrize("peak", [MIN_PEAK, MAX_PEAK, -MIN_PEAK, -MAX_PEAK])
@pytest.mark.parametrize("bits", [1, 16])
def test_peaks_at_the_end(peak, bits):
    x = np.array([[peak, peak / 3, peak / 7]], np.float32)
    fitter = Fitter(Histogram(x), scale_bits=bits)
    assert fitter.histogram.sqnr_db(fitter.least_squares(parse_format("se8"))) > 25
    assert fitter.histogram.sqnr_db(fitter.least_squares(parse_format("tuned:bits=4"))) > 15
    assert fitter.histogram.sqnr_db(fitter.scale_for(load_format("int8"))) > 25


@pytest.mark.parametrize("spec", ["se8-silu", "int8-asym"])
def test_a_minimum_out_of_reach_saturates(spec):
    """Below the least value as above the greatest: at 0.01 no zero point reaches -300."""
    fitter = Fitter(Histogram(np.array([[-300.0, 1.0, 0.3]], np.float32)))
    quantizer = fitter.at(parse_format(spec), 0.01)
    assert quantizer.scale == Scale.from_step(0.01)
    floor = -quantizer.format.zero_point * float(quantizer.scale.step) / 2**quantizer.format.fraction_bits
    assert quantizer.array(np.array([-300.0], np.float32)) == pytest.approx(floor)
    assert floor < -0.5


def test_one_value_far_below_is_worth_losing():
    """With a zero point that reaches it, little would be left of the others."""
    rng = np.random.default_rng(3)
    x = np.append(rng.uniform(0, 1, 100000), -1.5).astype(np.float32)[:, None]
    histogram = Histogram(x)
    quantizer = Fitter(histogram).least_squares(parse_format("int8-asym"))
    all_in = min(
        histogram.squared_error(SegmentedQuantizer(format=int8_asym(Z), scale=Scale.from_step(1.5 / Z)))
        for Z in range(20, 200)
    )
    assert histogram.squared_error(quantizer) < all_in


def test_presets_in_the_budget():
    fitter = Fitter(Histogram(np.array([[-300.0, 1.0, -20.0]], np.float32)))
    names = {result.format.name for result in fitter.presets(Budget())}
    assert names == {"int8", "int8-asym", "se8", "se8-silu"}
    assert {result.format.name for result in fitter.presets(Budget(segments=1))} == {"int8", "int8-asym"}
    assert {result.format.name for result in fitter.presets(Budget(segments=4, bits=9))} == names | {"se9-paper"}
    assert {result.format.name for result in fitter.presets(Budget(signs=("sign-magnitude",)))} == {"int8", "se8"}
    assert fitter.presets(Budget(bits=7)) == []
