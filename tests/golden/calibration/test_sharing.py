"""What layers share: nothing, the steps, the format."""

import itertools
import json
import math

import numpy as np
import pytest

from qse_hw.golden.calibration import sharing as module
from qse_hw.golden.calibration.fitting import Fitter
from qse_hw.golden.calibration.histogram import Histogram
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.sharing import EVEN, MODES, TOTAL, check_mode, fit_layers, loss_db, share, total_db
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import Segment, SegmentedFormat

TUNED = parse_format("tuned:bits=5,segments=3,headroom=1")


def silu(rng, size, shape=(60, 20)):
    z = size * rng.standard_normal(shape)
    return (z / (1 + np.exp(-z))).astype(np.float32)


def fitters_of(layers, scale_bits=16):
    return [Fitter(Histogram(x), scale_bits=scale_bits) for x in layers]


@pytest.fixture
def fitters(rng):
    """Four layers that differ."""
    return fitters_of([silu(rng, 0.7), silu(rng, 2), silu(rng, 5), silu(rng, 2) * np.float32(100)])


def kinds_and_shifts(chosen):
    return {(result.format.kind, result.format.shifts) for result in chosen}


def test_free_is_every_layer_by_itself(fitters):
    quantizers = fit_layers(fitters, TUNED)
    assert quantizers == [fitter.least_squares(TUNED) for fitter in fitters]
    assert len({one.format for one in quantizers}) == 4


def test_what_is_shared(fitters):
    shared, runtime = (fit_layers(fitters, TUNED, mode) for mode in ("shared", "runtime"))
    assert len({result.format for result in shared}) == 1
    assert len({result.scale for result in shared}) == 4
    assert len(kinds_and_shifts(runtime)) == 1
    assert len({result.format for result in runtime}) > 1
    for result in (*shared, *runtime):
        assert (result.format.bits, result.scale.bits) == (5, 16)
        assert len(result.format.segments) <= 3
        assert result.format.values[result.format.zero_code] == 0


def test_what_is_shared_costs_a_little(fitters):
    loss = {mode: loss_db(fitters, fit_layers(fitters, TUNED, mode)) for mode in MODES}
    assert loss["runtime"] <= loss["shared"]
    assert loss["free"] <= loss["runtime"] + 0.05  # fine steps are scanned, here and there
    assert loss["free"] < loss["shared"] < loss["free"] + 3
    assert loss["free"] == pytest.approx(
        -np.mean([fitter.histogram.sqnr_db(fitter.least_squares(TUNED)) for fitter in fitters])
    )


def test_refinement_improves_what_a_layer_by_itself_would_choose(rng):
    fitters = fitters_of([silu(rng, size) for size in (0.5, 1.5, 4)])
    shared = loss_db(fitters, fit_layers(fitters, TUNED, "shared"))
    own = [fitter.least_squares(TUNED).format for fitter in fitters]
    assert shared <= min(loss_db(fitters, [fitter.scale_for(format) for fitter in fitters]) for format in own)


def test_added_errors_choose_by_their_sum(fitters):
    """The last layer is a hundred times as large as the others: nearly all of the sum, and a quarter of the mean."""
    own = [fitter.least_squares(TUNED) for fitter in fitters]
    even, total = (
        share(fitters, [one.format for one in own], [[one] for one in own], TUNED, measure) for measure in (EVEN, TOTAL)
    )
    for one in (even, total):
        assert len({chosen.format for chosen in one}) == 1
    assert total_db(fitters, total) < total_db(fitters, even)
    assert loss_db(fitters, even) < loss_db(fitters, total)
    assert total_db(fitters, total) <= 10 * math.log10(fitters[3].histogram.squared_error(own[3])) + 0.1


def test_a_layer_that_loses_nothing_does_not_decide_for_all(rng):
    """Its format suits the others badly."""
    fitters = fitters_of([np.array([[0, 1, 2, 3]], np.float32), silu(rng, 2), silu(rng, 5)])
    exact = offset(0, (4, 0), bits=5)
    tuned = [fitter.least_squares(TUNED) for fitter in fitters[1:]]
    rivals = [exact, *(one.format for one in tuned)]
    chosen = share(fitters, rivals, [[], *([one] for one in tuned)], TUNED)
    errors = [fitter.histogram.sqnr_db(one) for fitter, one in zip(fitters, chosen, strict=True)]
    assert min(errors[1:]) > 15


@pytest.mark.full
def test_no_preset_shares_better(rng):
    fitters = fitters_of([silu(rng, 0.7), silu(rng, 2)], scale_bits=1)
    spec = parse_format("tuned:segments=3,sign=0,headroom=1")
    tuned = {mode: loss_db(fitters, fit_layers(fitters, spec, mode)) for mode in MODES}
    for preset in ("int8-asym", "se8-silu"):
        assert tuned["shared"] <= loss_db(fitters, fit_layers(fitters, parse_format(preset), "shared"))
    assert tuned["free"] - 0.05 <= tuned["runtime"] <= tuned["shared"]


def test_a_preset_rescues_a_shared_search_that_failed(rng, monkeypatch):
    class Poor:
        def __init__(self, histogram, budget, scale_bits):
            self.budget = budget

        def best(self, segments):
            return SegmentedQuantizer(format=load_format("int8"), scale=Scale.from_step(1e9))

    fitters = fitters_of([silu(rng, 0.7), silu(rng, 2)])
    best = fit_layers(fitters, parse_format("int8-asym"), "shared")
    monkeypatch.setattr("qse_hw.golden.calibration.fitting.Tuner", Poor)
    quantizers = fit_layers(fitters, parse_format("tuned:segments=1,sign=0,headroom=1"), "shared")
    assert loss_db(fitters, quantizers) <= loss_db(fitters, best)


@pytest.mark.every(9)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["int8", "se8", "se8-silu", "int8-asym", "se9-paper", "se8:L=3"])
def test_presets(fitters, name, mode):
    quantizers = fit_layers(fitters, parse_format(name), mode)
    assert {one.format.name for one in quantizers} == {name.partition(":")[0]}
    if mode == "shared":
        assert len({one.format for one in quantizers}) == 1
    else:
        assert quantizers == [fitter.least_squares(parse_format(name)) for fitter in fitters]


def test_int8_among_the_layers_own_formats(rng, monkeypatch):
    """A search may end with int8, which has no counts to set."""
    fitters = fitters_of([silu(rng, 2), silu(rng, 2), silu(rng, 3)])
    own = [fitter.least_squares(parse_format("tuned:bits=4,segments=2,headroom=1")) for fitter in fitters]
    own[0] = fitters[0].least_squares(parse_format("int8"))
    for fitter, result in zip(fitters, own, strict=True):
        monkeypatch.setattr(fitter, "least_squares", lambda spec, result=result: result)
        monkeypatch.setattr(fitter, "presets", lambda budget: [])
    runtime = fit_layers(fitters, parse_format("tuned:bits=4,segments=2,headroom=1"), "runtime")
    assert len(kinds_and_shifts(runtime)) == 1
    shared = fit_layers(fitters, parse_format("tuned:bits=4,segments=2,headroom=1"), "shared")
    assert len({result.format for result in shared}) == 1


@pytest.mark.full
def test_layers_that_lack_what_others_have(rng):
    """A floor far below zero in one layer, none in the other: steps that fit both."""
    z = rng.standard_normal((60, 20))
    deep = np.where(rng.random(z.shape) < 0.5, -8 + z, 0.3 * np.abs(z)).astype(np.float32)
    for layers in ([deep, np.abs(z).astype(np.float32)], [-np.abs(z).astype(np.float32) - 1, deep]):
        for mode in ("runtime", "shared"):
            fitters = fitters_of(layers)
            quantizers = fit_layers(fitters, parse_format("tuned:bits=5,segments=4,sign=0,headroom=1"), mode)
            assert len(kinds_and_shifts(quantizers)) == 1
            assert all(fitter.histogram.sqnr_db(one) > 10 for fitter, one in zip(fitters, quantizers, strict=True))


def offset(zero_point, *runs, bits=2):
    """A format of runs (codes, log2 of the step)."""
    firsts = [sum(codes for codes, _ in runs[:number]) for number in range(len(runs))]
    segments = [Segment(codes=n, log2_step=e, first_code=first) for (n, e), first in zip(runs, firsts, strict=True)]
    return SegmentedFormat(name="by hand", bits=bits, kind="offset", segments=tuple(segments), zero_point=zero_point)


@pytest.mark.parametrize("measure", [EVEN, TOTAL], ids=["even", "total"])
@pytest.mark.parametrize("lows", [(-1.0, -6.0), (-6.0, -1.0), (-2.0, -2.0)])
def test_segments_for_all_layers_are_the_best_there_are(rng, lows, measure):
    """Against every format of four codes in one segment or two, however many fine steps a layer has below zero."""
    fitters = fitters_of([np.append(3 * rng.random(200), [low] * 9).astype(np.float32)[:, None] for low in lows])
    scales = [Scale.from_step(0.25), Scale.from_step(0.375)]
    present = [SegmentedQuantizer(format=offset(1, (4, 0)), scale=scale) for scale in scales]
    before = [fitter.histogram.squared_error(one) for fitter, one in zip(fitters, present, strict=True)]

    def loss(chosen):
        errors = [fitter.histogram.squared_error(one) for fitter, one in zip(fitters, chosen, strict=True)]
        return sum(error / was if measure == EVEN else error for error, was in zip(errors, before, strict=True))

    budget = parse_format("tuned:bits=2,segments=2,sign=0,headroom=1").budget
    quantizers = module._same_segments(fitters, present, budget, 0, measure)
    deepest = max(math.ceil(-low / float(scale.step)) for low, scale in zip(lows, scales, strict=True))
    every = [offset(zero, (4, 0)) for zero in range(4)]
    for fine, e in itertools.product(range(1, 4), range(1, 8)):  # zero is in the finer segment, which may be either
        every += [offset(zero, (fine, 0), (4 - fine, e)) for zero in range(fine)]
        zeros = range((4 - fine) << e, ((4 - fine) << e) + fine)
        every += [offset(zero, (4 - fine, e), (fine, 0)) for zero in zeros if zero <= deepest]
    losses = [loss([SegmentedQuantizer(format=format, scale=scale) for scale in scales]) for format in every]
    assert len({one.format for one in quantizers}) == 1
    assert loss(quantizers) == pytest.approx(min(losses), rel=1e-6)
    assert loss(quantizers) < 0.8 * loss(present)


def test_segments_along_the_longest_axis():
    """8190 fine steps and room at the ends are searched, twice as many are not."""
    fitters = fitters_of([np.array([[-2.0, 1, 8188]], np.float32)])
    present = [SegmentedQuantizer(format=offset(1, (4, 0)), scale=Scale.from_step(1.0))]
    wanted = parse_format("tuned:bits=2,segments=1,sign=0,headroom=1").budget
    (quantizers,) = module._same_segments(fitters, present, wanted, 0)
    assert fitters[0].histogram.squared_error(quantizers) < fitters[0].histogram.squared_error(present[0])
    assert module._same_segments(fitters, present, wanted, 1) == present


def test_coarse_steps_below_zero(rng):
    """Given its own format's steps, which begin with a coarse one for a floor, a layer does as well as before."""
    z = rng.standard_normal((60, 20))
    deep = np.where(rng.random(z.shape) < 0.5, -8 + z, 0.3 * np.abs(z)).astype(np.float32)
    (fitter,) = fitters_of([deep])
    wanted = parse_format("tuned:bits=3,segments=3,sign=0,headroom=1").budget
    own = fitter.least_squares(parse_format("tuned:bits=3,segments=3,sign=0,headroom=1"))
    kind, shifts = own.format.kind, own.format.shifts
    assert shifts[0] > 0 in shifts
    quantizer = module._counts(fitter, own, (kind, shifts), wanted)
    assert (quantizer.format.kind, quantizer.format.shifts) == (kind, shifts)
    assert fitter.histogram.sqnr_db(quantizer) > fitter.histogram.sqnr_db(own) - 0.05
    for steps in ((2, 0), (3, 0, 1)):  # of other layers
        assert module._counts(fitter, own, (kind, steps), wanted).format.shifts == steps


def test_steps_that_do_not_suit_a_layer_that_was_not_asked(rng, monkeypatch):
    """Of nine layers every other one judges; the second is but a few fine steps long, the steps are 1, 128, 64, 128."""
    wide = offset(1, (3, 0), (1, 7), (1, 6), (1, 7), bits=3)
    x = np.concatenate([rng.uniform(-1, 1, 90), [129.0, 193, 193, 300]]).astype(np.float32)[:, None]
    layers = [x] * 9
    layers[1] = np.array([[0.0, 1, 2, 2]], np.float32)
    fitters = fitters_of(layers)
    own = [SegmentedQuantizer(format=wide, scale=Scale.from_step(1.0))] * 9
    own[1] = SegmentedQuantizer(format=offset(0, (4, 0)), scale=Scale.from_step(1.0))
    for fitter, quantizers in zip(fitters, own, strict=True):
        monkeypatch.setattr(fitter, "least_squares", lambda spec, quantizers=quantizers: quantizers)
        monkeypatch.setattr(fitter, "presets", lambda budget: [])
    spec = "tuned:bits=3,segments=4,sign=0,headroom=1"
    assert module._counts(fitters[0], own[0], ("offset", wide.shifts), parse_format(spec).budget) is not None
    assert module._counts(fitters[1], own[1], ("offset", wide.shifts), parse_format(spec).budget) is None
    quantizers = fit_layers(fitters, parse_format(spec), "runtime")
    assert len(quantizers) == 9
    assert len(kinds_and_shifts(quantizers)) == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_model_of_one_layer_shares_nothing(rng, mode):
    (fitter,) = fitters = fitters_of([silu(rng, 2)])
    quantizers = fit_layers(fitters, TUNED, mode)
    assert loss_db(fitters, quantizers) <= loss_db(fitters, [fitter.least_squares(TUNED)]) + 1e-6


def test_the_order_of_layers_does_not_matter(rng):
    """One is of another kind than most, which decide."""
    layers = [silu(rng, 2), silu(rng, 2.2), np.abs(silu(rng, 9))]
    losses = []
    for chosen in (layers, layers[::-1]):
        fitters = fitters_of(chosen)
        spec = parse_format("tuned:bits=4,segments=3,headroom=1")
        losses.append(loss_db(fitters, fit_layers(fitters, spec, "runtime")))
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


@pytest.mark.full
def test_many_layers(rng):
    fitters = fitters_of([silu(rng, 0.5 + number / 4, (30, 10)) for number in range(11)])
    seen = []
    quantizers = fit_layers(fitters, parse_format("tuned:bits=3,segments=2,headroom=1"), "runtime", seen.append)
    assert len(quantizers) == 11
    assert len(kinds_and_shifts(quantizers)) == 1
    assert seen == sorted(seen)
    assert seen[-1] == 1
    seen.clear()
    fit_layers(fitters, parse_format("int8"), progress=seen.append)
    assert seen == pytest.approx([number / 11 for number in range(1, 12)])


@pytest.mark.every(3)
@pytest.mark.parametrize("mode", MODES)
def test_deterministic(rng, mode):
    layers = [silu(rng, size) for size in (0.7, 2, 5)]
    spec = parse_format("tuned:bits=4,segments=3,headroom=1")
    first, second = (fit_layers(fitters_of(layers, 8), spec, mode) for _ in range(2))
    assert first == second
    assert json.dumps([one.scale.M for one in first])  # plain numbers, not NumPy's


def test_scale_bits(fitters, rng):
    for mode in MODES:
        spec = parse_format("tuned:bits=4,segments=2,headroom=1")
        quantizers = fit_layers(fitters_of([silu(rng, 1), silu(rng, 3)], 1), spec, mode)
        assert {(one.scale.bits, one.scale.M) for one in quantizers} == {(1, 1)}


@pytest.mark.parametrize("mode", ["", "Free", "per-layer"])
def test_unknown_modes(mode):
    for check in (check_mode, lambda mode: fit_layers([], TUNED, mode)):
        with pytest.raises(InputError, match=rf"^Mode must be one of free, runtime, shared, not '{mode}'$"):
            check(mode)
