"""Which scales and formats a search compares, and how often it searches."""

import numpy as np
import pytest

from qse_hw.golden.calibration import fitting
from qse_hw.golden.calibration.families import best_format
from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.calibration.tune import Tuner
from qse_hw.golden.formats.presets import int8_asym, se8, se8_silu
from qse_hw.golden.formats.scale import Scale
from tests.golden.calibration.test_fitting import silu


class Recorded(Histogram):
    """Remembers which quantizers were compared, in their order."""

    def __init__(self, x):
        super().__init__(x)
        self.seen = []

    def squared_error(self, quantizer):
        self.seen.append(quantizer)
        return super().squared_error(quantizer)

    def lost(self, quantizer):
        return super().squared_error(quantizer)


def around(scale, per_octave, reach):
    """The scales up to ``reach`` steps of 1/``per_octave`` octave to either side."""
    return {Scale.from_step(float(scale.step) * 2 ** (n / per_octave), scale.bits) for n in range(-reach, reach + 1)}


def steps_of(seen):
    return {result.scale for result in seen}


@pytest.mark.every(6)
@pytest.mark.parametrize("bits", [4, 16])
@pytest.mark.parametrize("spec", ["se8", "se8-silu", "int8-asym", "int8"])
def test_the_steps_of_least_squares(rng, spec, bits):
    """Seventeen octaves in sixths, but for what cannot win; then 48ths between the winner's neighbours; then 192nds."""
    histogram = Recorded(silu(rng, (16, 8)))
    fitter = Fitter(histogram, scale_bits=bits)
    quantizer = fitter.least_squares(parse_format(spec))
    seen = steps_of(histogram.seen)
    largest = 2 * float(np.abs(histogram.values).max())
    coarse = {Scale.from_step(largest / 2 ** (n / 6), bits) for n in range(103)}
    every = {
        scale: SegmentedQuantizer(format=best_format(parse_format(spec), histogram, scale), scale=scale)
        for scale in coarse
    }
    winner = min(every, key=lambda scale: histogram.lost(every[scale]))
    assert winner in seen
    assert len(seen & coarse) < len(coarse) / 2
    finer = around(winner, 48, 7)
    second = min(finer, key=lambda scale: histogram.lost(fitter.at(parse_format(spec), float(scale.step))))
    finest = around(second, 192, 4)
    assert seen <= coarse | finer | finest
    least = min(histogram.lost(fitter.at(parse_format(spec), float(scale.step))) for scale in finer | finest)
    assert histogram.lost(quantizer) == least


def test_given_steps_are_tried(rng):
    x = silu(rng, (16, 8))
    given = [0.0123, 0.0456, 1e-40, 1e300]  # the last are none that a scale may have
    histogram = Recorded(x)
    fitter = Fitter(histogram, steps=given)
    wanted = {Scale.from_step(step) for step in given[:2]}
    assert steps_of(fitter.given(parse_format("se8"))) == wanted
    assert steps_of(fitter.given(parse_format("tuned:bits=4,segments=2"))) <= wanted
    assert fitter.given(parse_format("tuned:bits=4,segments=2"))
    for search in (lambda: fitter.least_squares(parse_format("int8")), lambda: fitter.scale_for(se8(4))):
        histogram.seen.clear()
        result = search()
        worst = max(histogram.least_error(float(s.step) / 4, float(s.step) * 256) for s in wanted)
        assert wanted <= steps_of(histogram.seen) or worst > histogram.lost(result)
    assert Fitter(histogram).given(parse_format("se8")) == []


@pytest.mark.full
def test_a_given_step_may_be_the_best():
    """All values are multiples of a step that no scan comes to: nothing is lost there."""
    step = 0.7310585
    scale = Scale.from_step(step)
    x = (np.arange(-100, 101) * float(scale.step)).astype(np.float32)[:, None]
    assert Fitter(Histogram(x)).least_squares(parse_format("int8")).scale != scale
    for spec in ("int8", "tuned:segments=1,sign=1,headroom=1"):
        fitter = Fitter(Histogram(x), steps=[step])
        assert fitter.best(parse_format(spec)).scale == scale
        scanned = Fitter(Histogram(x)).least_squares(parse_format(spec))
        squared_error = fitter.histogram.squared_error
        assert squared_error(fitter.best(parse_format(spec))) < squared_error(scanned) / 2
    assert fitter.scale_for(se8(4)).scale != scale


@pytest.mark.every(3)
@pytest.mark.parametrize("spec", ["int8", "se8", "int8-asym"])
def test_a_given_step_never_makes_it_worse(rng, spec):
    """Whichever wins the scan, the finest steps around the scan's own winner are tried."""
    histogram = Histogram(silu(rng, (8, 8)))
    quantizer = Fitter(histogram).least_squares(parse_format(spec))
    for power in range(-30, 31):
        near = float(quantizer.scale.step) * 2 ** (power / 100)
        given = Fitter(histogram, steps=[near]).least_squares(parse_format(spec))
        assert histogram.squared_error(given) <= histogram.squared_error(quantizer)


@pytest.mark.parametrize("format", [se8(4), int8_asym(0), int8_asym(20), se8_silu(K=40, zero_point=8)])
def test_the_steps_of_scale_for(rng, format):
    histogram = Recorded(np.append(rng.uniform(-3, 4, 60), [-2.7, 8.0]).astype(np.float32)[None])
    fitter = Fitter(histogram)
    quantizer = fitter.scale_for(format)
    assert histogram.lost(quantizer) == min(map(histogram.lost, histogram.seen))
    near = Scale.from_step(0.7 * float(quantizer.scale.step))
    histogram.seen.clear()
    again = fitter.scale_for(format, near=near)
    seen = steps_of(histogram.seen)
    finer = around(near, 48, 4)
    second = min(finer, key=lambda scale: histogram.lost(SegmentedQuantizer(format=format, scale=scale)))
    assert seen <= finer | around(second, 192, 4)
    assert again.scale in seen


def test_an_outlier_does_not_hide_the_rest():
    """Far below what reaches the peak lies the best step, for most of the weight does not count the peak."""
    rng = np.random.default_rng(11)
    x = np.append(rng.standard_normal(4000), 500).astype(np.float32)
    weights = np.append(np.ones(4000), 1e-15).astype(np.float32)
    quantizer = Fitter(Histogram(x, weights)).least_squares(parse_format("int8"))
    alone = Fitter(Histogram(x[:-1])).least_squares(parse_format("int8"))
    assert float(quantizer.scale.step) == pytest.approx(float(alone.scale.step), rel=0.2)


def test_one_search_serves_the_smaller_budgets(rng, monkeypatch):
    searches = []

    class Counted(Tuner):
        def __init__(self, histogram, budget, scale_bits):
            searches.append(budget)
            super().__init__(histogram, budget, scale_bits)

    monkeypatch.setattr(fitting, "Tuner", Counted)
    fitter = Fitter(Histogram(silu(rng, (8, 8))))
    wanted = [
        ("bits=2,segments=1", 1), ("bits=2,segments=3", 1), ("bits=2,segments=6", 1), ("bits=2,segments=6", 1),
        ("bits=2,segments=7", 2), ("bits=2,segments=7", 2), ("bits=2,segments=2", 2),
        ("bits=3,segments=2", 3), ("bits=3,sign=0", 4), ("bits=3,sign=1", 5), ("bits=3,sign=0", 5),
        ("bits=2,segments=1", 5), ("bits=3,segments=1", 5),
    ]  # fmt: skip
    for parameters, count in wanted:
        spec = parse_format(f"tuned:{parameters}")
        quantizer, want = fitter.at(spec, 0.3).format, spec.budget
        assert len(searches) == count
        assert len(quantizer.segments) <= want.segments
        assert quantizer.bits == want.bits
        assert quantizer.kind in want.signs
