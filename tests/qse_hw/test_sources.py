"""Where activations come from."""

import argparse

import numpy as np
import pytest

from golden.errors import InputError
from qse_hw import sources
from qse_hw.sources import Activations, from_file_or_default, from_model


def test_a_file(activations, tensors):
    found = from_file_or_default(str(activations))
    assert list(found.tensors) == list(tensors)
    assert all(np.array_equal(found.tensors[name], x) for name, x in tensors.items())
    assert (found.origin, found.model, found.shape) == (str(activations), "5eed" * 16, (16, 32))


def test_the_bundled_model(monkeypatch):
    monkeypatch.setattr(sources, "TOKENS", 24)
    found = from_file_or_default(None)
    assert (found.origin, found.shape) == ("bundled model on pydoc_data.topics", (24, 512))
    assert found.model == from_model(argparse.Namespace(model=None, text=None, tokens=1)).model
    assert len(found.model) == 64


def test_the_bundled_file_where_pytorch_is_missing(monkeypatch, activations, tensors):
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    monkeypatch.setattr(sources, "BUNDLED_ACTIVATIONS", activations)
    found = from_file_or_default(None)
    assert found.origin == "the file that ships with the package"
    assert np.array_equal(found.tensors["layers.1.x"], tensors["layers.1.x"])


def test_that_file_is_of_the_bundled_model(monkeypatch):
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    found = from_file_or_default(None)
    want = from_model(argparse.Namespace(model=None, text=None, tokens=1))
    assert found.model == want.model
    assert list(found.tensors) == list(want.tensors)
    assert found.shape[1] == want.shape[1]


def test_an_empty_name_is_no_default():
    with pytest.raises(InputError, match=r"^Activations \. cannot be read"):
        from_file_or_default("")


def test_tokens_are_checked_before_the_model_is_loaded():
    with pytest.raises(InputError, match=r"^Tokens must be at least 1, not 0$"):
        from_model(argparse.Namespace(model="nowhere", text=None, tokens=0))


def test_unknown_model(tensors):
    assert Activations(tensors=tensors, metadata={}, origin="").model == ""
