"""KL divergence and likelihood against plain float64, and that nothing is lost between batches."""

import numpy as np
import pytest
import torch

from qse_hw.golden.errors import InputError
from qse_hw.golden.evaluate import score as module
from qse_hw.golden.evaluate.score import WINDOW, cut, score

VOCABULARY = 61


def softmax64(logits):
    z = logits.double().numpy()
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


@pytest.fixture
def windows(ids):
    return cut(ids, 1000, 100)


def noisy(model, ids):
    return model(ids) * 0.9 + 0.1 * torch.sin(ids.unsqueeze(-1) * torch.arange(VOCABULARY))


def test_identity_is_exactly_zero(model, windows):
    scores = score(model, {"same": model}, windows, vocab_size=VOCABULARY)
    assert scores.predictions == 99
    assert not scores.kl["same"].any()
    np.testing.assert_array_equal(scores.nll, scores.candidate_nll["same"])


@pytest.mark.every(3)
@pytest.mark.parametrize("logits", [100 * VOCABULARY, 3 * 100 * VOCABULARY, 1 << 26])
@pytest.mark.parametrize("values", [VOCABULARY, 1 << 22])
def test_against_float64(model, windows, monkeypatch, logits, values):
    monkeypatch.setattr(module, "_LOGITS", logits)
    monkeypatch.setattr(module, "_ROW_VALUES", values)
    shares = []
    scores = score(
        model, {"noisy": lambda ids: noisy(model, ids)}, windows, vocab_size=VOCABULARY, progress=shares.append
    )
    p, q = (softmax64(forward(windows)[:, :-1]) for forward in (model, lambda ids: noisy(model, ids)))
    kl = (np.exp(p) * (p - q)).sum((1, 2))
    assert kl.min() > 0.1
    np.testing.assert_allclose(scores.kl["noisy"], kl, rtol=1e-5)
    wanted = windows[:, 1:, None].numpy()
    for own, logs in ((scores.nll, p), (scores.candidate_nll["noisy"], q)):
        np.testing.assert_allclose(own, -np.take_along_axis(logs, wanted, -1).sum((1, 2)), rtol=1e-6)
    assert shares == sorted(shares)
    assert 0 < shares[-1] <= 1


def test_windows_start_empty(mamba1, windows):
    alone = score(mamba1, {}, windows[3:4], vocab_size=VOCABULARY)
    np.testing.assert_allclose(score(mamba1, {}, windows, vocab_size=VOCABULARY).nll[3], alone.nll[0], rtol=1e-6)


@pytest.mark.parametrize("who", ["unquantized model", "bad"])
def test_not_finite(mamba1, windows, who):
    def broken(ids):
        return mamba1(ids) / 0

    models = (broken, {}) if who == "unquantized model" else (mamba1, {"bad": broken})
    with pytest.raises(InputError, match=f"{who} must give finite logits"):
        score(*models, windows, vocab_size=VOCABULARY)


def test_cut(ids):
    np.testing.assert_array_equal(cut(ids, 1600).numpy(), ids[: 3 * WINDOW].view(3, WINDOW).numpy())
    assert cut(ids, 1023).shape == (1, 512)
    assert cut(ids, 10**6).shape == (3, 512)
    with pytest.raises(InputError, match="Text shorter than one window: it must have at least 512 tokens, not 511"):
        cut(ids[:511], 16384)
    with pytest.raises(InputError, match="Tokens must be at least one window of 512, not 511"):
        cut(ids, 511)
    with pytest.raises(InputError, match="at least 2 tokens"):
        cut(ids, 16384, 1)
