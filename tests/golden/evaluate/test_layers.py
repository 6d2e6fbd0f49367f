"""Fits and losses by layer, against the candidates of captured tensors."""

import math

import pytest

from qse_hw.golden.calibration.candidates import Sample
from qse_hw.golden.calibration.spec import parse_candidate, parse_candidates, parse_format
from qse_hw.golden.errors import InputError
from qse_hw.golden.evaluate import layers as module
from qse_hw.golden.evaluate.layers import Losses, finite, fit, measure
from qse_hw.golden.models.mamba.capture import capture
from qse_hw.golden.models.mamba.sensitivity import output_weights
from qse_hw.golden.models.mamba.stream import activations, layers_of

SPECS = ["int8", "quamba", "quamba2", "se8", "lloyd-max"]


@pytest.mark.full
@pytest.mark.every(2)
def test_fit_and_measure(model, ids):
    stream = layers_of(model)
    shares = []
    specs = parse_candidates(",".join(SPECS))
    candidates, losses = fit(stream, ids[:700], specs, tokens=60, progress=shares.append)
    tensors = capture(model, ids, tokens=60)
    assert list(candidates) == SPECS
    for layer in range(2):
        sample = Sample(tensors[f"layers.{layer}.x"])
        assert losses.limit_db[layer] == sample.sqnr_db(sample.limit)
        for spec in SPECS:
            own = sample.fit(parse_candidate(spec))
            assert candidates[spec][layer].detail == own.detail
            assert losses.sqnr_db[spec][layer] == sample.sqnr_db(own.quantizer)
    assert losses.distance_db("lloyd-max") == [0.0, 0.0]
    assert min(losses.distance_db("se8")) > 0
    assert shares == sorted(shares)
    assert shares[-1] == 1

    other = measure(stream, ids[800:], candidates, tokens=50)
    held_out = capture(model, ids[800:], tokens=50)
    for layer in range(2):
        sample = Sample(held_out[f"layers.{layer}.x"])
        assert other.limit_db[layer] == sample.sqnr_db(sample.limit)
        for spec in SPECS:
            assert other.sqnr_db[spec][layer] == sample.sqnr_db(candidates[spec][layer].quantizer)
    assert min(other.distance_db("lloyd-max")) > 0  # fitted to other values


def test_formats_may_be_fitted_to_the_layers_output(mamba1, ids):
    """Squared errors count as much as they do there; 60 tokens are a sequence and the text's beginning as padding."""
    stream = layers_of(mamba1)
    candidates, losses = fit(stream, ids, parse_candidates("se8"), tokens=60, objective="output")
    plain, _ = fit(stream, ids, parse_candidates("se8"), tokens=60)
    for layer, tensors, block, residual in activations(stream, ids, tokens=60):
        sample = Sample(tensors["x"], output_weights(block, residual))
        own = sample.fit(parse_candidate("se8"))
        assert candidates["se8"][layer].quantizer == own.quantizer
        assert losses.sqnr_db["se8"][layer] == sample.sqnr_db(own.quantizer)
    assert [one.quantizer for one in plain["se8"]] != [one.quantizer for one in candidates["se8"]]


def test_a_layers_own_tuned_format_is_measured_on_its_values(mamba1, ids):
    """Not on the histogram, whose rounding shows: only of formats that are shared the values are gone."""
    spec = "tuned:bits=3,segments=2"
    candidates, losses = fit(layers_of(mamba1), ids, [parse_candidate(spec), parse_candidate("int8")], tokens=60)
    for layer, x in enumerate(capture(mamba1, ids, tokens=60).values()):
        sample = Sample(x)
        own = sample.fit(parse_candidate(spec))
        assert candidates[spec][layer].quantizer == own.quantizer
        assert losses.sqnr_db[spec][layer] == sample.sqnr_db(own.quantizer)
        assert losses.sqnr_db[spec][layer] != sample.histogram.sqnr_db(own.quantizer)


@pytest.mark.every(2)
@pytest.mark.parametrize("mode", ["runtime", "shared"])
def test_tuned_formats_that_layers_share(mamba1, ids, monkeypatch, mode):
    """``qse_hw.golden.calibration.sharing`` finds them, from the histograms of all layers at once; it has tests of its
    own, and is slow.
    """

    def stand_in(fitters, spec, mode, progress):
        progress(0.5)
        asked.append((spec.name, mode))
        return [fitter.least_squares(parse_format("se8:L=8")) for fitter in fitters]

    asked, shares = [], []
    monkeypatch.setattr(module, "fit_layers", stand_in)
    specs = parse_candidates("tuned,int8,tuned:segments=2")
    candidates, losses = fit(layers_of(mamba1), ids, specs, tokens=60, mode=mode, progress=shares.append)
    assert shares == pytest.approx([0, 1 / 6, 1.5 / 3, 2.5 / 3, 1])  # a layer of int8, another, half of either search
    assert asked == [("tuned", mode), ("tuned:segments=2", mode)]
    assert list(candidates) == ["tuned", "int8", "tuned:segments=2"]
    for layer, x in enumerate(capture(mamba1, ids, tokens=60).values()):
        sample = Sample(x)
        expected = sample.fit(parse_candidate("se8:L=8"))
        result = candidates["tuned"][layer]
        assert (result.name, result.quantizer, result.detail) == ("tuned", expected.quantizer, expected.detail)
        assert losses.sqnr_db["tuned"][layer] == pytest.approx(sample.sqnr_db(expected.quantizer), abs=0.02)
        assert losses.sqnr_db["int8"][layer] == sample.sqnr_db(candidates["int8"][layer].quantizer)


def test_worst_layer_and_lossless():
    losses = Losses(sqnr_db={"a": [30.0, 20.0, math.inf]}, limit_db=[40.0, 45.0, math.inf])
    assert losses.distance_db("a") == [10.0, 25.0, 0.0]
    assert losses.worst("a") == (1, 25.0)
    assert finite(math.inf) is None
    assert finite(2.5) == 2.5


def zeroed(model, value):
    import copy

    bad = copy.deepcopy(model)
    conv = bad.blocks[1].mixer.conv1d
    conv.weight.fill_(value)
    conv.bias.fill_(value)
    return layers_of(bad)


def test_bad_layers_are_named(mamba1, ids):
    with pytest.raises(InputError, match="Layer 1, x: Activations must not all be zero"):
        fit(zeroed(mamba1, 0.0), ids, parse_candidates("int8"), tokens=64)
    with pytest.raises(InputError, match="x of layer 1 must be finite"):
        fit(zeroed(mamba1, math.inf), ids, parse_candidates("int8"), tokens=64)
    candidates, _ = fit(layers_of(mamba1), ids, parse_candidates("int8"), tokens=64)
    with pytest.raises(InputError, match="Layer 1, x: Activations must not all be zero"):
        measure(zeroed(mamba1, 0.0), ids, candidates, tokens=64)
    with pytest.raises(InputError, match="Mode must be one of free, runtime, shared, not 'own'"):
        fit(layers_of(mamba1), ids, parse_candidates("int8"), tokens=64, mode="own")
    with pytest.raises(InputError, match="tokens must be at most the text's 1600, not 1601"):
        fit(layers_of(mamba1), ids, parse_candidates("int8"), tokens=1601)
