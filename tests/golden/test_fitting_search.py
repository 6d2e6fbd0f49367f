"""Which scales and formats a search compares, and how often it searches."""

import numpy as np
import pytest

from golden import fitting
from golden.errors import InputError
from golden.fitting import Fitter, budget
from golden.histogram import Histogram
from golden.presets import int8_asym, se8, se8_silu
from golden.scale import Scale
from golden.tune import Tuner
from tests.golden.test_fitting import FAMILIES, silu


class Recorded(Histogram):
    """Remembers which quantisers were compared, in their order."""

    def __init__(self, x):
        super().__init__(x)
        self.seen = []

    def squared_error(self, quantiser):
        self.seen.append(quantiser)
        return super().squared_error(quantiser)

    def best(self, candidates):
        return min(candidates, key=super().squared_error)


def around(scale, per_octave, reach):
    """The scales up to ``reach`` steps of 1/``per_octave`` octave to either side."""
    return {Scale.from_step(float(scale.step) * 2 ** (n / per_octave), scale.bits) for n in range(-reach, reach + 1)}


@pytest.mark.parametrize("bits", [4, 16])
@pytest.mark.parametrize("spec", ["se8", "int8"])
def test_the_steps_of_least_squares(rng, spec, bits):
    """Five octaves in sixths; then 48ths between the winner's two neighbours; of any scale the whole family."""
    histogram = Recorded(silu(rng, (16, 8)))
    Fitter(histogram, scale_bits=bits).least_squares(spec)
    coarse = {Scale.from_step(histogram.peak / (32 * 2 ** (n / 6)), bits) for n in range(31)}
    family = FAMILIES[spec](None, None)
    calls = 31 * len(family)
    first, second = histogram.seen[:calls], histogram.seen[calls:]
    assert {found.scale for found in first} == coarse
    finer = around(histogram.best(first).scale, 48, 7)
    assert {found.scale for found in second} == finer
    assert len(second) == len(finer) * len(family)
    for scale in coarse | finer:
        assert all(any(found.scale == scale and found.format == one for found in histogram.seen) for one in family)


def tried_at(spec, step, low):
    """The formats that are compared at a step, for values from ``low`` up."""
    histogram = Recorded(np.array([[low, 1.0, 2.5]], np.float32))
    assert histogram.low == low
    found = Fitter(histogram).at(spec, step)
    assert {one.scale for one in histogram.seen} == {Scale.from_step(step)}
    assert found == histogram.best(histogram.seen)
    return [one.format for one in histogram.seen]


def test_what_se8_leaves_open():
    assert tried_at("se8", 0.5, -2.0) == [se8(L) for L in range(2, 16)]


@pytest.mark.parametrize("zero_point", [0, 1, 15, 16, 20, 23, 24, 63])
def test_what_se8_silu_leaves_open(zero_point):
    """The zero point is the smallest that keeps the least value within half a fine step of the floor."""
    for halves in (zero_point - 0.25, zero_point + 0.5):
        want = [se8_silu(K, zero_point) for K in (16, 24, 32, 40, 48, 56, 64) if K > zero_point]
        assert tried_at("se8-silu", 0.5, -halves * 0.25) == want


@pytest.mark.parametrize("zero_point", [0, 1, 2, 100, 127, 128, 200, 255])
def test_what_int8_asym_leaves_open(zero_point):
    edge = np.float32(-(zero_point + 0.5) * 0.5)
    assert tried_at("int8-asym", 0.5, float(edge)) == [int8_asym(zero_point)]
    beyond = float(np.nextafter(edge, np.float32(-np.inf)))
    if zero_point < 255:
        assert tried_at("int8-asym", 0.5, beyond) == [int8_asym(zero_point + 1)]
    else:
        with pytest.raises(InputError, match=r"^Format int8-asym does not fit these activations: "):
            tried_at("int8-asym", 0.5, beyond)


@pytest.mark.parametrize("spec", ["se8-silu", "int8-asym"])
def test_nothing_below_zero_needs_no_zero_point(spec):
    assert {format.zero_point for format in tried_at(spec, 0.5, 0.75)} == {0}


@pytest.mark.parametrize("bits", [4, 16])
@pytest.mark.parametrize(
    ("format", "more"),  # more: how much larger a scale the floor asks for than the peak does
    [(se8(4), 0), (int8_asym(0), 0), (int8_asym(20), 0.5), (int8_asym(20), 1.7), (se8_silu(K=40, zero_point=8), 3.1)],
)
def test_the_steps_of_scale_for(rng, format, more, bits):
    """Sixths of an octave from reaching 1/16 of the peak to twice all values; then 48ths, then 192nds."""
    fine = 2.0**format.fraction_bits
    floor, top = (n / fine for n in (min(format.values.values()), max(format.values.values())))
    peak = 8.0
    low = float(np.float32(peak / top * floor * more)) if more else -peak / 3
    histogram = Recorded(np.append(rng.uniform(low, peak / 2, 60), [low, peak]).astype(np.float32)[None])
    fitter = Fitter(histogram, scale_bits=bits)
    found = fitter.scale_for(format)
    enough = 2 * max(peak / top, low / floor if floor and not format.signed else 0)
    steps = [peak / top / 16]
    while steps[-1] < enough:
        steps.append(steps[0] * 2 ** (len(steps) / 6))
    middle = float(Scale.from_step(steps[15], bits).step)  # the grid lies about a scale of its own
    seen = histogram.seen.copy()
    sixths = {Scale.from_step(middle * step / steps[15], bits) for step in steps}
    first, seen = seen[: len(sixths)], seen[len(sixths) :]
    assert {one.scale for one in first} == sixths
    refined(histogram, histogram.best(first).scale, seen, found)

    near = Scale.from_step(0.7 * float(found.scale.step), bits)
    histogram.seen.clear()
    again = fitter.scale_for(format, near=near)
    refined(histogram, near, histogram.seen.copy(), again)


def refined(histogram, scale, seen, found):
    """Within half a sixth of an octave of ``scale`` in 48ths; then within a 48th in 192nds: all that was ``seen``."""
    for per_octave in (48, 192):
        want = around(scale, per_octave, 4)
        part, seen = seen[: len(want)], seen[len(want) :]
        assert {one.scale for one in part} == want
        scale = histogram.best(part).scale
    assert not seen
    assert found.scale == scale


def test_one_search_serves_the_smaller_budgets(rng, monkeypatch):
    searches = []

    class Counted(Tuner):
        def __init__(self, histogram, budget):
            searches.append(budget)
            super().__init__(histogram, budget)

    monkeypatch.setattr(fitting, "Tuner", Counted)
    fitter = Fitter(Histogram(silu(rng, (8, 8))))
    wanted = [
        ("bits=2,segments=1", 1), ("bits=2,segments=3", 1), ("bits=2,segments=6", 1), ("bits=2,segments=6", 1),
        ("bits=2,segments=7", 2), ("bits=2,segments=7", 2), ("bits=2,segments=2", 2),
        ("bits=3,segments=2", 3), ("bits=3,sign=0", 4), ("bits=3,sign=1", 5), ("bits=3,sign=0", 5),
        ("bits=2,segments=1", 5), ("bits=3,segments=1", 5),
    ]  # fmt: skip
    for parameters, count in wanted:
        found, want = fitter.at(f"tuned:{parameters}", 0.3).format, budget(f"tuned:{parameters}")
        assert len(searches) == count
        assert len(found.segments) <= want.segments
        assert found.bits == want.bits
        assert found.kind in want.signs
