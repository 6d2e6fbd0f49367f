"""The decoder of the integer model: greedy tokens of the whole-sequence model, with and without a compiler."""

import numpy as np
import pytest
import torch

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.decode import IntegerDecoder
from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.step import library
from tests.golden.models.integer import small

KINDS = pytest.mark.parametrize("kind", small.KINDS)
ROUNDINGS = pytest.mark.parametrize("rounding", ["nearest", "stochastic"])


@pytest.fixture(params=["compiled", "arrays"])
def compiled(request, monkeypatch):
    if request.param == "arrays":
        monkeypatch.setattr(library, "available", lambda: False)
    elif not library.available():
        pytest.skip("needs g++")
    return request.param == "compiled"


def greedy(fast: IntegerMamba, ids: torch.Tensor, tokens: int) -> torch.Tensor:
    """By the whole-sequence model."""
    states, continuation = fast.start(len(ids)), []
    for _ in range(tokens):
        ids = torch.from_numpy(fast.forward(ids.numpy(), states)[:, -1:].argmax(-1))
        continuation.append(ids)
    return torch.cat(continuation, dim=1)


@pytest.mark.every(3)
@KINDS
@ROUNDINGS
def test_generates_the_models_tokens(kind, rounding, compiled):
    formats = small.formats(kind, local_bits=16, rounding=rounding)
    fast, prompt = IntegerMamba.of(small.model(kind), formats), small.text()[:16].view(2, 8)
    decoder = IntegerDecoder(fast.parameters, batch=2)
    assert decoder.compiled is compiled
    expected = greedy(fast, prompt, 12)
    assert torch.equal(decoder.generate(prompt, 12), expected)
    assert all(state.any() for state in decoder.states())
    logits = decoder.logits.clone()
    decoder.generate(prompt, 12)
    assert not torch.equal(decoder.logits, logits), "the state was not looked at"
    decoder.reset()
    assert all(not state.any() for state in decoder.states())
    decoder.generate(prompt, 12)
    assert torch.equal(decoder.logits, logits)


@pytest.mark.every(2)
@KINDS
def test_logits_and_counts_are_the_models(kind, compiled):
    formats = small.rough(small.formats(kind, local_bits=8))
    fast, ids = IntegerMamba.of(small.model(kind), formats), small.text()[:10].view(1, 10)
    decoder = IntegerDecoder.of(small.model(kind), formats)
    logits = torch.stack([decoder.step(column) for column in ids.unbind(1)], dim=1)
    assert logits.dtype == torch.float32
    assert torch.equal(logits, fast(ids))
    assert +decoder.saturated == +fast.saturated
    assert len(+fast.saturated) > 5


@pytest.mark.parametrize("ids", [torch.tensor([[37]]), torch.tensor([[-1]]), torch.tensor([[1.0]]), torch.tensor([1])])
def test_bad_prompts_are_refused(ids):
    decoder = IntegerDecoder.of(small.model(), small.formats(local_bits=16))
    with pytest.raises(InputError, match=r"^Prompt must "):
        decoder.generate(ids, 1)


def test_other_arguments_are_refused():
    with pytest.raises(InputError, match=r"^Parameters must be a Parameters, as model_parameters gives it, not "):
        IntegerDecoder(small.model())
    with pytest.raises(InputError, match=r"^Batch must be at least 1 sequence, not 0$"):
        IntegerDecoder.of(small.model(), small.formats(local_bits=16), batch=0)


def test_logits_are_a_copy():
    decoder = IntegerDecoder.of(small.model(), small.formats(local_bits=16))
    first = decoder.step(torch.tensor([3]))
    kept = first.clone()
    decoder.step(torch.tensor([5]))
    assert np.array_equal(first, kept)
