"""Families of transformers: x is what their own convolutions give, and nothing else changes, whole and by steps."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from qse_hw.golden.calibration.calibrate import Layer, calibrate
from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.families import FAMILIES
from qse_hw.golden.models.mamba.quantize import FakeQuantize, calibrate_model, quantize_model
from qse_hw.golden.models.mamba.stream import activations
from tests.golden.models.mamba.relatives import CONFIGURATIONS, VOCABULARY, convolved, layers_of, relative, steps
from tests.golden.models.mamba.small import QUANTIZERS, decoded, logits

IDS = torch.randint(VOCABULARY, (2, 20), generator=torch.Generator().manual_seed(2))
QUICK = "zamba2"  # a hybrid of Mamba-2, whose layers also read the embeddings
RELATIVES = [name for name in CONFIGURATIONS if name not in ("mamba", "mamba2")]
each_family = pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[] if one == QUICK else pytest.mark.full) for one in RELATIVES]
)


def quantizers(model: Any) -> list[Any]:
    """One for each Mamba layer, another for each of three."""
    return [QUANTIZERS[number % 3] for number in range(layers_of(model).config.n_layer)]


def rows(x: Tensor) -> Tensor:
    """(b, d, l) -> (b * l, d)."""
    return x.transpose(1, 2).flatten(0, 1)


@each_family
def test_x_is_what_transformers_own_convolutions_give(name: str) -> None:
    model = relative(name)
    with convolved(model) as seen:
        plain = logits(model, IDS)
    layers = layers_of(model)
    assert [mixer for mixer, _ in seen] == list(layers.mixers)
    streamed = list(activations(layers, IDS.flatten(), tokens=40, batch_length=20))
    assert len(streamed) == len(seen) > 1
    for (_, tensors, _, _), (_, x) in zip(streamed, seen, strict=True):
        assert torch.equal(torch.from_numpy(tensors["x"]), rows(x))
    assert torch.equal(logits(model, IDS), plain)
    assert not any("forward" in vars(module) for module in model.modules())
    said = layers.left_alone()
    assert said.endswith("; attention and MLP are left alone") if name != "falcon_mamba" else said == ""
    expected = calibrate([Layer(x=rows(x)) for _, x in seen], "se8")
    assert replace(calibrate_model(model, IDS, "se8"), model="", norm_groups=None) == expected


@each_family
@pytest.mark.parametrize("run", [logits, steps], ids=["whole", "steps"])
def test_a_quantizer_replaces_x_and_nothing_else(name: str, run: Callable[[Any, Tensor], Tensor]) -> None:
    model = relative(name)
    kinds = [type(module) for module in model.modules()]
    with convolved(model) as seen:
        plain = run(model, IDS)
    ones = quantizers(model)
    quantize_model(model, ones)
    mixers = list(layers_of(model).mixers)
    assert sum(isinstance(module, FakeQuantize) for module in model.modules()) == len(mixers)
    arrived: list[tuple[nn.Module, Tensor]] = []
    passing = [
        mixer.quantizer.register_forward_hook(
            lambda module, inputs, output, mixer=mixer: arrived.append((mixer, inputs[0].clone())) or inputs[0]
        )
        for mixer in mixers
    ]
    assert torch.equal(run(model, IDS), plain)
    assert [mixer for mixer, _ in arrived] == [mixer for mixer, _ in seen]
    for (_, theirs), (_, ours) in zip(seen, arrived, strict=True):
        assert torch.equal(theirs, ours)
    for handle in passing:
        handle.remove()
    checked = []

    def check(module: nn.Module, inputs: Any, output: Tensor, one: Any) -> None:
        checked.append(torch.equal(output, decoded(one, inputs[0])))

    for mixer, one in zip(mixers, ones, strict=True):
        mixer.quantizer.register_forward_hook(lambda *args, one=one: check(*args, one))
    moved = run(model, IDS)
    assert len(checked) == len(seen)
    assert all(checked)
    assert not torch.equal(moved, plain)
    assert torch.equal(run(quantize_model(model, None), IDS), plain)
    assert [type(module) for module in model.modules()] == kinds


@each_family
def test_a_transform_sees_and_replaces_x_as_eval_does(name: str) -> None:
    model = relative(name)
    layers, ones, names = layers_of(model), quantizers(model), []

    def replacing(layer: int, name: str, x: Tensor) -> Tensor:
        names.append((layer, name))
        return decoded(ones[layer], x)

    plain, moved = logits(model, IDS), layers(IDS, replacing)
    assert names == [(layer, "x") for layer in range(len(ones))]
    assert torch.equal(layers(IDS), plain)
    assert torch.equal(logits(quantize_model(model, ones), IDS), moved)
    assert not torch.equal(moved, plain)


@each_family
def test_in_half_precision_and_in_batches(name: str) -> None:
    """More sequences than are run at a time; x of each equals that of the same batch run whole."""
    model = relative(name).bfloat16()
    ids = torch.randint(VOCABULARY, (9, 5), generator=torch.Generator().manual_seed(3))
    expected = []
    for batch in (ids[:8], ids[8:]):
        with convolved(model) as seen:
            logits(model, batch)
        expected.append([rows(x) for _, x in seen])
    for number, tensors, _, _ in activations(layers_of(model), ids.flatten(), tokens=45, batch_length=5):
        whole = torch.cat([parts[number] for parts in expected]).float()
        assert torch.equal(torch.from_numpy(tensors["x"]), whole)


def test_what_fails_within_a_layer_leaves_the_model_as_it_was() -> None:
    model = relative("jamba")
    with torch.no_grad():
        layers_of(model).mixers[0].conv1d.bias[3] = torch.nan
    kinds = [type(module) for module in model.modules()]
    with pytest.raises(InputError, match=r"^x of layer 0 must be finite, but has NaN or infinity; "):
        calibrate_model(model, IDS, "se8")
    assert [type(module) for module in model.modules()] == kinds
    assert not any("forward" in vars(module) for module in model.modules())


def test_layers_whose_forward_is_replaced_are_run_by_it() -> None:
    """As accelerate replaces it, to move what a layer needs to its device."""
    model, calls = relative("jamba"), []
    expected = calibrate_model(model, IDS, "se8")
    layers = model.model.layers
    own = layers[1].forward
    layers[1].forward = replaced = lambda *args, **kwargs: calls.append(1) or own(*args, **kwargs)
    assert calibrate_model(model, IDS, "se8") == expected
    assert calls == [1]
    assert [vars(layer).get("forward") for layer in layers] == [None, replaced, None, None]


def test_other_models_are_refused_by_name() -> None:
    sizes = {"vocab_size": 61, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    llama = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, intermediate_size=8))
    for refused in (quantize_model, calibrate_model):
        with pytest.raises(InputError, match=r"MambaForCausalLM, .* or NemotronHForCausalLM, .* a LlamaForCausalLM$"):
            refused(llama, IDS)
    attention = relative("bamba", attn_layer_indices=[0, 1, 2, 3])
    with pytest.raises(InputError, match=r"a layer with a BambaMixer, but none of the 4 layers of this Bamba has"):
        quantize_model(attention, None)


def test_every_family_is_described_and_tested() -> None:
    assert [family.package for family in FAMILIES] == list(CONFIGURATIONS)
