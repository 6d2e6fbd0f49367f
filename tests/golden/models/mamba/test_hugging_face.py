"""Quantizers in models of transformers: caches, compilation, copies, padding, fused kernels, and what is refused."""

import copy
import itertools
import pickle
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba import mixers
from qse_hw.golden.models.mamba.model import Mamba
from qse_hw.golden.models.mamba.quantize import FakeQuantize, quantize_model
from tests.golden.models.mamba.small import IDS, QUANTIZERS, decoded, logits, made, watched


def test_the_cache_sees_the_same_values(theirs: Any) -> None:
    """Step by step with the cache, greedily, as many whole forwards would."""
    quantize_model(theirs, QUANTIZERS)
    prompt = IDS[:, :7]
    generated = theirs.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False, pad_token_id=0,
        eos_token_id=None,
    )  # fmt: skip
    assert generated.shape == (2, 19)
    whole = logits(theirs, generated)
    assert torch.equal(whole[:, 6:-1].argmax(-1), generated[:, 7:])
    seen = watched(theirs)
    with torch.no_grad():
        state = theirs(prompt, use_cache=True)
        stepped = theirs(generated[:, 7:8], cache_params=state.cache_params, use_cache=True).logits
    for layer, quantizer in zip(seen, QUANTIZERS, strict=True):
        assert layer["x"].shape == (2, 96, 1)
        assert torch.equal(layer["decoded"], decoded(quantizer, layer["x"]))
    assert (stepped[:, 0] - whole[:, 7]).abs().max() < 0.05 * whole.std()
    assert torch.equal(stepped[:, 0].argmax(-1), whole[:, 7].argmax(-1))


def test_training_does_not_go_by_the_fused_kernel(theirs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel, where it is installed, would compute everything from in_proj to out_proj with x unquantized."""
    module = __import__(type(theirs).__module__, fromlist=["x"])
    name = "mamba_inner_fn" if hasattr(module, "mamba_inner_fn") else "mamba2_split_conv1d_scan_combined"
    monkeypatch.setattr(module, name, lambda *args, **kwargs: torch.zeros(2, 40, 48))
    plain = logits(theirs)
    assert not torch.equal(logits(theirs.train()), plain)  # that kernel is called
    mixers._quantizing.cache_clear()
    expected = logits(quantize_model(theirs.eval(), QUANTIZERS))
    assert torch.equal(logits(theirs.train()), expected)
    assert not torch.equal(expected, plain)


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`")  # in transformers
@pytest.mark.parametrize("kind", [pytest.param("mamba", marks=pytest.mark.full), "mamba2"])
def test_compiled_is_eager(kind: str) -> None:
    """Also when scale or format are changed after compilation."""
    model, ids, results = made(kind, num_hidden_layers=1), IDS[:, :4], []
    step = torch.compile(lambda ids: model(ids, use_cache=False).logits, backend="aot_eager", fullgraph=True)
    one, other = QUANTIZERS[:2]
    with torch.no_grad():
        for quantizer in (one, replace(one, scale=other.scale), other):
            quantize_model(model, [quantizer])
            results.append(logits(model, ids))
            assert torch.equal(step(ids), results[-1])
    for one, other in itertools.combinations(results, 2):
        assert not torch.equal(one, other)


def test_padding_is_not_seen(theirs: Any) -> None:
    """Quantized, x of padding is still masked: what is padded on the left computes as what is not."""
    quantize_model(theirs, QUANTIZERS)
    padded, mask = IDS.clone(), torch.ones_like(IDS)
    padded[:, :5], mask[:, :5] = 0, 0
    with torch.no_grad():
        result = theirs(padded, attention_mask=mask, use_cache=False).logits
    expected = logits(theirs, IDS[:, 5:])
    assert (result[:, 5:] - expected).square().mean().sqrt() < 0.02 * expected.std()


def test_copies_are_quantized_and_apart(theirs: Any, ours: Mamba) -> None:
    for model in (theirs, ours):
        plain = logits(model)
        quantized = logits(quantize_model(model, QUANTIZERS))
        copied, pickled = copy.deepcopy(model), pickle.loads(pickle.dumps(model))
        assert torch.equal(logits(quantize_model(model, None)), plain)
        for other in (copied, pickled):
            assert torch.equal(logits(other), quantized)
            assert other.backbone.layers[1].mixer.quantizer is not None
            assert torch.equal(logits(quantize_model(other, None)), plain)


def test_accelerates_hooks_on_the_convolution_still_fire(theirs: Any) -> None:
    fired = []

    class Hook:
        def pre_forward(self, module: nn.Module) -> None:
            fired.append(module)

        def post_forward(self, module: nn.Module, output: Any) -> None:
            fired.append(module)

    quantize_model(theirs, QUANTIZERS)
    for block in theirs.backbone.layers:
        block.mixer.conv1d._hf_hook = Hook()
    logits(theirs)
    assert fired == [block.mixer.conv1d for block in theirs.backbone.layers for _ in range(2)]


def test_a_replaced_forward_is_refused(theirs: Any) -> None:
    mixer = theirs.backbone.layers[1].mixer
    mixer.forward = mixer.forward
    with pytest.raises(InputError, match=r"Mixers must have their class's own forward, .*; quantize the model before"):
        quantize_model(theirs, QUANTIZERS)
    assert not any(isinstance(module, FakeQuantize) for module in theirs.modules())


@pytest.mark.parametrize("missing", ["function", "call"])
def test_another_transformers_is_refused(theirs: Any, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type(theirs.backbone.layers[0].mixer)
    if missing == "function":
        monkeypatch.delattr(sys.modules[kind.__module__], "causal_conv1d_fn")
    else:
        monkeypatch.setattr(kind, "forward", lambda self, hidden: hidden)
    mixers._quantizing.cache_clear()
    with pytest.raises(InputError, match=r"calls causal_conv1d_fn, .*, as 5.23 does, not [0-9.]+; install"):
        quantize_model(theirs, QUANTIZERS)
