"""Whatever the values, the best of all candidates wins: ``tuned`` never loses to what it could have been."""

import numpy as np
import pytest

from qse_hw.golden.calibration.calibrate import Layer, calibrate
from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.headroom import with_headroom
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.percentile import percentile_step
from qse_hw.golden.calibration.sharing import MODES, fit_layers, loss_db
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.calibration.tune import Budget
from qse_hw.golden.formats.presets import PRESETS

ALPHAS = (0.9, 1.0)


def awkward(rng, kind=None):
    """A few values, as no layer has them: on a grid or not, sparse, with outliers, one-sided, far from zero."""
    n = int(rng.integers(2, 90))
    z = rng.standard_normal(n)
    kind = rng.integers(0, 9) if kind is None else kind
    x = [
        z,
        np.round(4 * z),
        np.where(rng.random(n) < 0.8, 0, z),
        np.append(z, 300.0),
        np.append(z, -40.0),
        z / (1 + np.exp(-2 * z)),
        np.abs(z) + 10,
        rng.choice([-1.0, 0.3, 2.0, 2.1], n),
        np.exp(3 * z),
    ][kind]
    x[0] = x[0] or 1.0
    dtype = np.float16 if rng.random() < 0.5 else np.float32
    return x.astype(dtype)[:, None]


HEADROOMS = (1, Budget.headroom)


def error(values, spec):
    """Of the best format, on what it is fitted to: the values and the headroom's."""
    fitter = Fitter(Histogram(values))
    return fitter.of(parse_format(spec)).histogram.squared_error(fitter.least_squares(parse_format(spec)))


@pytest.fixture(params=range(0, 9, 2))
def values(request, rng):
    return awkward(rng, request.param)


@pytest.mark.every(6)
def test_tuned_is_no_worse_than_the_percentile(values, rng):
    """The table's own column; for a preset likewise."""
    for spec in ("tuned:bits=3,segments=2", *PRESETS):
        for alpha in ALPHAS:
            calibration = calibrate([Layer(x=values)], spec, alpha=alpha).layers[0]
            if calibration["percentile"] is not None:
                assert calibration["least_squares"].sqnr_db >= calibration["percentile"].sqnr_db


@pytest.mark.every(3)
@pytest.mark.parametrize("headroom", HEADROOMS)
def test_more_segments_are_no_worse(values, headroom):
    errors = [error(values, f"tuned:bits=3,segments={n},headroom={headroom}") for n in (1, 2, 4)]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.every(6)
@pytest.mark.parametrize("headroom", HEADROOMS)
def test_more_bits_are_no_worse(values, headroom):
    errors = [error(values, f"tuned:bits={bits},segments=2,headroom={headroom}") for bits in (2, 3, 4)]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.every(3)
@pytest.mark.parametrize("headroom", HEADROOMS)
def test_either_sign_is_no_worse_than_one(values, headroom):
    spec = f"tuned:bits=3,segments=2,headroom={headroom}"
    either, *one = (error(values, f"{spec}{sign}") for sign in ("", ",sign=0", ",sign=1"))
    assert either <= min(one)


@pytest.mark.full  # of 8 bits, as presets are
@pytest.mark.parametrize("seed", range(2))
def test_tuned_is_no_worse_than_any_preset(rng, seed):
    plain = Histogram(awkward(rng))
    for headroom in HEADROOMS:
        histogram = with_headroom(plain, headroom)
        for spec in (f"tuned:segments=1,sign={sign},headroom={headroom}" for sign in (0, 1)):
            fitter = Fitter(plain)
            presets = fitter.presets(parse_format(spec).budget)
            assert presets
            tuned = histogram.squared_error(fitter.least_squares(parse_format(spec)))
            for preset in presets:
                alone = Fitter(histogram).least_squares(parse_format(preset.format.name))
                assert tuned <= histogram.squared_error(alone)


@pytest.mark.every(6)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(2))
def test_modes_are_no_worse_than_percentiles_that_they_may_have(rng, mode, seed):
    layers = [awkward(rng) for _ in range(3)]
    steps = [[percentile_step(x, 1.0)] for x in layers]
    for spec in ("tuned:bits=3,segments=2", "int8", "se8", "se8-silu"):
        fitters = [Fitter(Histogram(x), steps=step) for x, step in zip(layers, steps, strict=True)]
        given = [one for fitter in fitters for one in fitter.given(parse_format(spec))]
        loss = loss_db(fitters, fit_layers(fitters, parse_format(spec), mode))
        if len(given) < len(layers):
            continue
        same = {
            "free": 1,
            "runtime": len({(one.format.kind, one.format.shifts) for one in given}),
            "shared": len({one.format for one in given}),
        }[mode]
        if same == 1:
            assert loss <= loss_db(fitters, given)


@pytest.mark.every(3)
@pytest.mark.parametrize("seed", range(3))
def test_the_output_is_no_worse_than_at_the_percentile(rng, seed):
    x = awkward(rng)
    weights = rng.exponential(size=x.shape).astype(np.float32)
    skewed = rng.exponential(size=x.shape)  # the output's own, of which the weights know nothing

    def output_error(quantizers):
        return [float((skewed * (one.array(x) - x.astype(np.float32)) ** 2).sum()) + 1e-30 for one in quantizers]

    for spec in ("tuned:bits=3,segments=2", "se8"):
        layer = Layer(x=x, weights=weights, output_error=output_error)
        calibration = calibrate([layer], spec, alpha=1.0).layers[0]
        if calibration["percentile"] is not None:
            assert calibration["least_squares"].output_sqnr_db >= calibration["percentile"].output_sqnr_db
