"""The candidates of the accuracy tables."""

import numpy as np
import pytest

from qse_hw.golden.calibration.candidates import ALPHAS, Sample, describe, float8_levels
from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.lloyd import lloyd_max
from qse_hw.golden.calibration.percentile import percentile_step
from qse_hw.golden.calibration.quantizers import CodebookQuantizer, GroupedQuantizer, SegmentedQuantizer
from qse_hw.golden.calibration.spec import (
    BASELINES,
    FLOAT8,
    GROUPS,
    LLOYD_MAX,
    PERCENTILE,
    parse_candidate,
    parse_format,
)
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import PRESETS, load_format
from qse_hw.golden.formats.scale import Scale


def silu(rng, shape=(96, 40), size=2.0):
    z = size * rng.standard_normal(shape)
    return (z / (1 + np.exp(-z))).astype(np.float32)


@pytest.fixture
def sample(rng):
    return Sample(silu(rng) * np.linspace(0.2, 3, 40, dtype=np.float32))


@pytest.mark.parametrize("spec", [*PRESETS, "se8:L=7", "tuned:bits=4,segments=2"])
def test_formats(sample, spec):
    candidate = sample.fit(parse_candidate(spec))
    assert candidate.quantizer == Fitter(sample.histogram).least_squares(parse_format(spec))
    assert (candidate.name, candidate.bits) == (spec, candidate.quantizer.format.bits)
    assert candidate.detail == describe(candidate.quantizer)


def test_limit(sample):
    candidate = sample.fit(parse_candidate(LLOYD_MAX))
    assert candidate.name == LLOYD_MAX
    assert np.array_equal(candidate.quantizer.levels, lloyd_max(sample.histogram).levels)
    assert (candidate.bits, candidate.detail) == (8, "256 levels")


@pytest.mark.parametrize(("spec", "name"), [("quamba", "int8"), ("quamba-se", "se9-paper")])
@pytest.mark.parametrize("weighted", [False, True])
def test_percentiles_have_the_best_alpha(rng, spec, name, weighted):
    x = silu(rng, size=6)
    sample = Sample(x, (np.abs(x) > 5).astype(np.float32) + np.float32(1e-3) if weighted else None, scale_bits=12)
    candidate, format = sample.fit(parse_candidate(spec)), load_format(name)
    scales = [Scale.from_step(percentile_step(x, alpha), 12) for alpha in ALPHAS]
    rivals = [SegmentedQuantizer(format=format, scale=scale) for scale in scales]
    errors = [Histogram(x).squared_error(rival) for rival in rivals]  # weights are for formats, not for baselines
    best = int(np.argmin(errors))
    assert candidate.quantizer == rivals[best]
    assert max(errors) > 1.2 * errors[best]
    assert candidate.detail.startswith(f"alpha {ALPHAS[best]}, s = ")
    assert candidate.bits == format.bits


def test_a_given_alpha(rng):
    x = silu(rng, size=6)
    candidate = Sample(x).fit(parse_candidate("quamba-se8:alpha=0.999")).quantizer
    scale = Scale.from_step(percentile_step(x, 0.999))
    assert candidate == SegmentedQuantizer(format=load_format("se8:L=8"), scale=scale)
    sparse = np.zeros((600, 4), np.float32)
    sparse[3, 2] = 1
    with pytest.raises(InputError, match=r"^Activations must not be zero up to their 0.5 quantile"):
        Sample(sparse).fit(parse_candidate("quamba:alpha=0.5"))


def test_percentiles_of_sparse_values():
    x = np.zeros((600, 4), np.float32)
    x[3, 2] = 1
    assert Sample(x).fit(parse_candidate("quamba")).detail.startswith("alpha 1.0, ")  # the first quantiles are zero


def test_quamba2_groups_channels_by_their_maxima(rng):
    maxima = rng.permutation(np.geomspace(0.01, 100, 24))
    x = (rng.uniform(-1, 1, (200, 24)) * maxima).astype(np.float32)
    sample = Sample(x)
    candidate = sample.fit(parse_candidate("quamba2"))
    assert isinstance(candidate.quantizer, GroupedQuantizer)
    assert (candidate.bits, candidate.detail) == (8, "8 groups of channels")
    assert len(candidate.quantizer.quantizers) == GROUPS
    order = np.argsort(np.abs(x).max(axis=0))
    assert candidate.quantizer.groups[order].tolist() == sorted(list(range(8)) * 3)
    for number, quantizer in enumerate(candidate.quantizer.quantizers):
        part = x[:, candidate.quantizer.groups == number]
        assert quantizer == Fitter(Histogram(part)).least_squares(parse_format("int8"))
    assert sample.sqnr_db(candidate.quantizer) > sample.sqnr_db(sample.fit(parse_candidate("int8")).quantizer) + 0.1


def test_quamba2_of_integers():
    """The channel of -128 has the greatest magnitude, which int8 has no place for."""
    x = np.array([[-128, 100, 50, 3]], np.int8).repeat(9, axis=0)
    x[1::2] //= 2
    spec = parse_candidate("quamba2")
    quantizer, same = (Sample(values).fit(spec).quantizer for values in (x, x.astype(np.float32)))
    assert quantizer.groups.tolist() == same.groups.tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize("spec", FLOAT8)
def test_float8_reaches_the_rest_where_an_outlier_weighs_little(rng, spec):
    """Nine octaves below the peak, and where every value is subnormal at the peak's scale."""
    levels, _ = float8_levels(FLOAT8[spec])
    x = np.append(rng.standard_normal(1 << 16), 3000).astype(np.float32)[:, None]
    sample = Sample(x)
    error = sample.histogram.squared_error(sample.fit(parse_candidate(spec)).quantizer)
    for power in range(-16, 20):
        rival = CodebookQuantizer.nearest(levels * np.float32(3000 / levels[-1] * 2.0**power))
        assert error <= 1.1 * sample.histogram.squared_error(rival)


def test_no_format_loses_to_itself_at_a_percentile(rng):
    for _ in range(5):
        x = np.exp(2 * rng.standard_normal((40, 3))).astype(np.float32)
        sample = Sample(x)
        for spec, baseline in (("int8", "quamba"), ("se8", "quamba-se8"), ("se9-paper", "quamba-se")):
            fits = [sample.fit(parse_candidate(name)) for name in (spec, baseline)]
            errors = [sample.histogram.squared_error(fit.quantizer) for fit in fits]
            assert errors[0] <= errors[1]


def test_quamba2_of_few_or_silent_channels(rng):
    x = silu(rng, (50, 3))
    assert len(Sample(x).fit(parse_candidate("quamba2")).quantizer.quantizers) == 3
    x[:, 1] = 0
    candidate = Sample(x).fit(parse_candidate("quamba2")).quantizer
    assert not candidate.array(x)[:, 1].any()


@pytest.mark.parametrize("spec", FLOAT8)
def test_float8_is_scaled(sample, spec):
    candidate = sample.fit(parse_candidate(spec))
    assert (candidate.bits, candidate.detail.split()[:2]) == (8, ["values", "times"])
    levels, ties_down = float8_levels(FLOAT8[spec])
    step = candidate.quantizer.levels[-1] / levels[-1]
    assert np.allclose(candidate.quantizer.levels, levels * step, rtol=1e-6)
    error = sample.histogram.squared_error(candidate.quantizer)
    for factor in 2.0 ** (np.arange(-20, 21) / 40):
        rival = CodebookQuantizer.nearest(levels * np.float32(step * factor), ties_down=ties_down)
        assert error <= 1.05 * sample.histogram.squared_error(rival)  # 0.2 dB: a small sample is not smooth
    at_the_peak = CodebookQuantizer.nearest(
        levels * np.float32(sample.histogram.peak / levels[-1]), ties_down=ties_down
    )
    assert error < sample.histogram.squared_error(at_the_peak)


@pytest.mark.parametrize(("spec", "below"), [("fp8-e3m4", 1), ("fp8-e3m4", 2), ("fp8-e3m4", 10), ("fp8-e4m3", 4)])
def test_float8_finds_the_scale_of_its_own_values(spec, below):
    """Values that a float8 has, but for its greatest few, times anything: little is lost, or the scan missed."""
    levels, _ = float8_levels(FLOAT8[spec])
    x = np.float32(0.37) * levels[levels > 0][-60 - below : -below, None]
    sample = Sample(x)
    assert sample.sqnr_db(sample.fit(parse_candidate(spec)).quantizer) > 47
    at_the_peak = CodebookQuantizer.nearest(levels * np.float32(sample.histogram.peak / levels[-1]))
    assert sample.sqnr_db(at_the_peak) < 44


@pytest.mark.parametrize("spec", [*BASELINES, "quamba:alpha=0.99"])
def test_every_candidate_tells_what_was_asked_for(sample, spec):
    assert sample.fit(parse_candidate(spec)).name == spec


def test_descriptions_name_the_format():
    assert PERCENTILE["quamba-se8"] in BASELINES["quamba-se8"]
    assert f"{GROUPS} groups" in BASELINES["quamba2"]


def test_weights_count(rng):
    x = silu(rng, size=4)
    heavy = (np.abs(x) < 0.3).astype(np.float32) + np.float32(1e-6)
    for spec in ("fp8-e3m4", LLOYD_MAX, "quamba", "quamba2"):
        plain, weighted = (sample.fit(parse_candidate(spec)).quantizer for sample in (Sample(x), Sample(x, heavy)))
        assert np.array_equal(plain.array(x), weighted.array(x))
    for spec in ("int8", "se8", "tuned:segments=2,bits=4"):
        plain, weighted = (sample.fit(parse_candidate(spec)).quantizer for sample in (Sample(x), Sample(x, heavy)))
        weigh = Histogram(x, heavy).squared_error
        assert weigh(weighted) < weigh(plain)


def test_sqnr_is_of_the_values_and_unweighted(rng):
    x = silu(rng)
    weighted, plain = Sample(x, np.square(x)), Sample(x)
    quantizer = SegmentedQuantizer(format=load_format("se8"), scale=Scale.from_step(0.02))
    assert weighted.sqnr_db(quantizer) == plain.sqnr_db(quantizer)
    error = np.square(quantizer.array(x).astype(np.float64) - x).sum()
    assert plain.sqnr_db(quantizer) == pytest.approx(10 * np.log10(np.square(x.astype(np.float64)).sum() / error))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("se8-silu:K=40,zero_point=24", "40 at s/2 + 128 at s + 88 at 4 s, zero point 24, s = 0.01"),
        ("se8:L=12", "+-48 at s/4 + 64 at s + 16 at 4 s, s = 0.01"),
        ("int8", "+-128 at s, s = 0.01"),
        ("int8-asym:zero_point=0", "256 at s, zero point 0, s = 0.01"),
    ],
)
def test_describe(name, words):
    assert describe(SegmentedQuantizer(format=load_format(name), scale=Scale.from_step(0.01))) == words
