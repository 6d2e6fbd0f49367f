"""Where activations come from."""

import argparse
import gc
import weakref

import numpy as np
import pytest

from qse_hw.golden.calibration.quantizers import CodebookQuantizer
from qse_hw.golden.errors import InputError
from qse_hw.study import sources
from qse_hw.study.sources import Activations, from_file_or_default, from_model, stream, stream_model


def test_a_file(activations, tensors):
    source = from_file_or_default(str(activations))
    assert list(source.tensors) == list(tensors)
    assert all(np.array_equal(source.tensors[name], x) for name, x in tensors.items())
    assert (source.origin, source.model, source.tokens, source.channels) == (str(activations), "5eed" * 16, 16, 32)


def test_the_bundled_model(monkeypatch):
    monkeypatch.setattr(sources, "TOKENS", 24)
    source = from_file_or_default(None)
    assert (source.origin, source.size) == ("bundled model on pydoc_data.topics", "6 layers of 24 x 512")
    assert source.model == from_model(argparse.Namespace(model=None, text=None, tokens=1)).model
    assert len(source.model) == 64


def test_the_bundled_file_where_pytorch_is_missing(monkeypatch, activations, tensors):
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    monkeypatch.setattr(sources, "BUNDLED_ACTIVATIONS", activations)
    source = from_file_or_default(None)
    assert source.origin == "the file that ships with the package"
    assert np.array_equal(source.tensors["layers.1.x"], tensors["layers.1.x"])


def test_that_file_is_of_the_bundled_model(monkeypatch):
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    source = from_file_or_default(None)
    want = from_model(argparse.Namespace(model=None, text=None, tokens=1))
    assert source.model == want.model
    assert list(source.tensors) == list(want.tensors)
    assert source.channels == want.channels


def test_an_empty_name_is_no_default():
    with pytest.raises(InputError, match=r"^Activations \. cannot be read"):
        from_file_or_default("")


def test_tokens_are_checked_before_the_model_is_loaded():
    with pytest.raises(InputError, match=r"^Tokens must be at least 1, not 0$"):
        from_model(argparse.Namespace(model="nowhere", text=None, tokens=0))


def test_unknown_model(tensors):
    assert Activations(tensors=tensors, metadata={}, origin="").model == ""


def arguments(**changes):
    return argparse.Namespace(**{"model": None, "text": None, "tokens": 40} | changes)


def test_streamed_layers_are_the_captured_ones():
    streamed, whole = stream_model(arguments(), "x"), from_model(arguments())
    assert (streamed.count, streamed.model, streamed.origin) == (len(whole.tensors), whole.model, whole.origin)
    for layer, x in zip(streamed.layers, whole.tensors.values(), strict=True):
        assert np.array_equal(layer.x, x)
        assert (layer.weights, layer.output_error) == (None, None)


@pytest.mark.full
def test_streamed_layers_know_their_output():
    streamed, whole = stream_model(arguments(tokens=600), "output"), from_model(arguments(tokens=600))
    for layer, x in zip(streamed.layers, list(whole.tensors.values())[:2], strict=False):
        assert np.array_equal(layer.x, x)
        assert layer.weights.shape == x.shape  # without the padding of the last sequence
        assert layer.weights.dtype == np.float32
        assert (layer.weights > 0).mean() > 0.9
        levels = (np.array([0.0, 1e9]), np.unique(x))
        nothing, all_ = layer.output_error([CodebookQuantizer.nearest(some) for some in levels])
        assert nothing > 0.5 > 1e-2 > all_


@pytest.mark.every(2)
@pytest.mark.parametrize("objective", ["x", "output"])
def test_streamed_layers_are_not_kept(objective):
    held = []
    layers = iter(stream_model(arguments(tokens=8), objective).layers)
    for layer in layers:
        gc.collect()
        assert [which() for which in held] == [None] * len(held)
        held = [weakref.ref(layer.x)]
        if objective == "output":
            held += [weakref.ref(layer.weights), weakref.ref(layer.output_error.args[0])]  # and the block
        del layer
    assert held


def test_streamed_tokens_are_checked_first():
    with pytest.raises(InputError, match=r"^Tokens must be at least 1, not 0$"):
        stream_model(arguments(model="nowhere", tokens=0), "x")


def test_activations_in_memory_as_a_stream(activations, tensors):
    streamed = stream(from_file_or_default(str(activations)))
    assert (streamed.count, streamed.model, streamed.origin) == (2, "5eed" * 16, str(activations))
    for layer, x in zip(streamed.layers, tensors.values(), strict=True):
        assert np.array_equal(layer.x, x)
        assert layer.weights is None
