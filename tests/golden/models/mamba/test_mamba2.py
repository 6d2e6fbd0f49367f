"""Mamba-2: the scan against a recurrence, the model against an independent one (transformers), both layouts."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import Mamba2Config as HFConfig
from transformers import Mamba2ForCausalLM

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.checkpoint import load_model, save_model
from qse_hw.golden.models.mamba.common import RMSNorm
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config, ssd
from qse_hw.golden.models.mamba.model import Mamba, weight_shapes
from qse_hw.golden.models.mamba.scan import FAST

IDS = torch.randint(61, (2, 75), generator=torch.Generator().manual_seed(2))


def recurrence(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """One step after another, one head after another."""
    y = torch.zeros_like(x)
    for b in range(x.shape[0]):
        for head in range(x.shape[2]):
            group = head * B.shape[2] // x.shape[2]
            state = x.new_zeros(x.shape[3], B.shape[3])
            for t in range(x.shape[1]):
                step = dt[b, t, head]
                state = torch.exp(step * A[head]) * state + step * torch.outer(x[b, t, head], B[b, t, group])
                y[b, t, head] = state @ C[b, t, group]
    return y


def scan_inputs(length: int, groups: int) -> list[Tensor]:
    draw = torch.Generator().manual_seed(length)
    x, B, C = (torch.randn(2, length, *s, generator=draw).double() for s in ((4, 3), (groups, 5), (groups, 5)))
    dt = torch.rand(2, length, 4, generator=draw).double() ** 3  # from nearly nothing to a decay that forgets all
    return [x, dt, torch.tensor([-0.1, -1.0, -16.0, -900.0]).double(), B, C]


@pytest.mark.parametrize(("length", "groups"), [(1, 1), (16, 2), (37, 1), (37, 2), (37, 4)])
def test_scan_equals_the_recurrence_whatever_the_chunk(length: int, groups: int) -> None:
    inputs = scan_inputs(length, groups)
    expected = recurrence(*inputs)
    for chunk in (1, 5, 16, 37, 64):
        torch.testing.assert_close(ssd(*inputs, chunk), expected, rtol=1e-10, atol=1e-12)
        single = ssd(*(t.float() for t in inputs), chunk)
        torch.testing.assert_close(single, expected.float(), rtol=1e-4, atol=1e-4)


def test_gradients_equal_the_recurrences() -> None:
    grads = []
    for function in (recurrence, lambda *inputs: ssd(*inputs, 5)):
        leaves = [t.detach().requires_grad_() for t in scan_inputs(13, 2)]
        function(*leaves).square().sum().backward()
        grads.append([t.grad for t in leaves])
    for ours, expected in zip(*reversed(grads), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-12)


def test_bfloat16_products_leave_decays_and_state_in_float32() -> None:
    x, dt, A, B, C = (t.float() for t in scan_inputs(64, 1))
    with torch.autocast("cpu", torch.bfloat16):
        y = ssd(x, dt, A, B, C, 16)
    assert y.dtype == torch.float32
    expected = ssd(x, dt, A, B, C, 16)
    assert (y - expected).norm() < 0.01 * expected.norm()


@pytest.fixture(
    scope="module",
    params=[
        {"n_groups": 1, "head_dim": 16, "tie_word_embeddings": True},
        {"n_groups": 2, "head_dim": 12, "layer_norm_epsilon": 1e-3, "expand": 3, "conv_kernel": 3},
        {"n_groups": 2, "head_dim": 48},  # one head per group
    ],
    ids=["one-group", "two-groups", "wide-heads"],
)
def oracle(request: pytest.FixtureRequest) -> Mamba2ForCausalLM:
    torch.manual_seed(1)
    sizes = {"vocab_size": 61, "hidden_size": 48, "num_hidden_layers": 3, "state_size": 8, "chunk_size": 16}
    sizes |= {"expand": 2} | request.param
    sizes["num_heads"] = sizes["hidden_size"] * sizes["expand"] // sizes["head_dim"]
    model = Mamba2ForCausalLM(HFConfig(**sizes, use_cache=False)).eval()
    with torch.no_grad():  # nothing may hide behind ones and zeros
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return model


@torch.inference_mode()
@pytest.mark.parametrize("length", [1, 17, 64, 75])
def test_logits_equal_transformers(oracle: Mamba2ForCausalLM, tmp_path: Path, length: int) -> None:
    oracle.save_pretrained(tmp_path)
    model = load_model(tmp_path)
    expected = oracle(IDS[:, :length]).logits
    assert expected.abs().max() > 1
    assert (model(IDS[:, :length]) - expected).abs().max() <= 1e-4


@torch.inference_mode()
def test_logits_survive_saving_in_the_original_layout(oracle: Mamba2ForCausalLM, tmp_path: Path) -> None:
    oracle.save_pretrained(tmp_path / "hf")
    model = load_model(tmp_path / "hf")
    if model.config.eps != 1e-5:  # which the original gated norm cannot have
        with pytest.raises(InputError, match=r"eps of a Mamba-2 must be 1e-05 .* not 0.001"):
            save_model(model, tmp_path / "original", dtype=torch.float32)
        return
    save_model(model, tmp_path / "original", dtype=torch.float32)
    again = load_model(tmp_path / "original")
    assert again.config == model.config
    assert torch.equal(again(IDS), model(IDS))


@torch.inference_mode()
def test_the_hook_sees_and_replaces_x_b_and_c() -> None:
    torch.manual_seed(3)
    model = Mamba(Mamba2Config(d_model=32, n_layer=2, vocab_size=61, d_state=8, headdim=16, ngroups=2))
    seen = []

    def watch(layer: int, name: str, tensor: Tensor) -> Tensor:
        seen.append((layer, name, tuple(tensor.shape)))
        return tensor

    assert torch.equal(model(IDS, watch), model(IDS))
    shapes = [("x", (2, 75, 64)), ("B", (2, 75, 16)), ("C", (2, 75, 16))]
    assert seen == [(layer, name, shape) for layer in (0, 1) for name, shape in shapes]
    assert tuple(name for name, _ in shapes) == model.config.names
    # Without B nothing enters the state, without C nothing leaves it, and only D x is left.
    without = [model(IDS, lambda _, n, t, zero=z: torch.zeros_like(t) if n == zero else t) for z in ("B", "C", "x")]
    assert torch.equal(without[0], without[1])
    assert not torch.equal(without[0], without[2])
    embedding = model.backbone.embedding(IDS)
    assert torch.equal(without[2], model.lm_head(model.backbone.norm_f(embedding)))


@pytest.mark.full
def test_the_fast_convolution_gives_the_same_logits() -> None:
    torch.manual_seed(3)
    model = Mamba(Mamba2Config(d_model=32, n_layer=2, vocab_size=61, d_state=8, headdim=16))
    plain = model(IDS)
    model.kernels = FAST
    torch.testing.assert_close(model(IDS), plain, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_no_future_token_changes_the_past() -> None:
    torch.manual_seed(4)
    model = Mamba(Mamba2Config(d_model=32, n_layer=2, vocab_size=61, d_state=8, headdim=16, chunk=16))
    changed = IDS.clone()
    changed[:, 40] = (changed[:, 40] + 1) % 61
    a, b = model(IDS), model(changed)
    assert torch.equal(a[:, :40], b[:, :40])
    assert not torch.equal(a[:, 40:], b[:, 40:])


def test_shapes_are_those_of_the_published_130m() -> None:
    config = Mamba2Config(d_model=768, n_layer=24, vocab_size=50288)
    shapes = weight_shapes(config)
    assert shapes["backbone.layers.0.mixer.in_proj.weight"] == (3352, 768)
    assert shapes["backbone.layers.23.mixer.conv1d.weight"] == (1792, 1, 4)
    assert shapes["backbone.layers.23.mixer.dt_bias"] == (24,)
    with torch.device("meta"):
        built = {name: tuple(p.shape) for name, p in Mamba(config).named_parameters()}
    assert built == shapes


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ({"headdim": 48}, "headdim must divide expand \\* d_model, which is 64, not 48"),
        ({"headdim": 16, "ngroups": 3}, "ngroups must divide the 4 heads, not 3"),
        ({"chunk": 0}, "chunk must be a positive integer, not 0"),
        ({"headdim": True}, "headdim must be a positive integer, not True"),
    ],
)
def test_bad_sizes_are_refused(sizes: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        Mamba2Config(d_model=32, n_layer=1, vocab_size=61, **sizes)


def test_a_norm_in_groups_takes_any_shape() -> None:
    norm = RMSNorm(8, 1e-5, 2)
    x = torch.randn(3, 2, 8, generator=torch.Generator().manual_seed(6))
    parts = x.unflatten(-1, (2, 4))
    expected = (parts * torch.rsqrt(parts.square().mean(-1, keepdim=True) + 1e-5)).flatten(-2)
    for result, wanted in ((norm(x), expected), (norm(x[0]), expected[0]), (norm(x[0, 0]), expected[0, 0])):
        torch.testing.assert_close(result, wanted)


ORIGINAL: dict[str, Any] = {"d_model": 768, "n_layer": 24, "vocab_size": 50277, "pad_vocab_size_multiple": 16}
HUGGING_FACE: dict[str, Any] = {"model_type": "mamba2", "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 61}


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (ORIGINAL | {"ssm_cfg": {"rmsnorm": False}}, "ssm_cfg.rmsnorm must be true, not False"),
        (ORIGINAL | {"ssm_cfg": {"norm_before_gate": True}}, "ssm_cfg.norm_before_gate must be false, not True"),
        (ORIGINAL | {"ssm_cfg": {"D_has_hdim": True}}, "ssm_cfg.D_has_hdim must be false"),
        (ORIGINAL | {"ssm_cfg": {"d_ssm": 768}}, "ssm_cfg.d_ssm must be 1536, not 768"),
        (ORIGINAL | {"ssm_cfg": {"dt_limit": [0.0, 0.1]}}, r"dt_limit must be \[0, Infinity\], not \[0.0, 0.1\]"),
        (ORIGINAL | {"ssm_cfg": {"bias": True}}, "ssm_cfg.bias must be false"),
        (ORIGINAL | {"ssm_cfg": {"activation": "relu"}}, "ssm_cfg.activation must be"),
        (ORIGINAL | {"norm_epsilon": 1e-6}, "norm_epsilon must be 1e-05, not 1e-06"),
        (ORIGINAL | {"d_intermediate": 512}, "d_intermediate must be 0"),
        (ORIGINAL, "must hold model.safetensors"),  # a sound config.json
        (ORIGINAL | {"ssm_cfg": {"dt_limit": [0.0, float("inf")]}}, "must hold model.safetensors"),
        (HUGGING_FACE | {"n_groups": 1}, "num_heads must be .* = 2, not 128"),
        (HUGGING_FACE | {"num_heads": 2}, "ngroups must divide the 2 heads, not 8"),
        (HUGGING_FACE | {"use_bias": True}, "use_bias must be false, not True"),
        (HUGGING_FACE | {"hidden_act": "relu"}, 'hidden_act must be "silu"'),
        (HUGGING_FACE | {"time_step_limit": [0.01, float("inf")]}, "time_step_limit must be"),
        (HUGGING_FACE | {"time_step_limit": 3}, "wrong type"),
        (HUGGING_FACE | {"num_heads": 2, "n_groups": 1}, "must hold model.safetensors"),
    ],
)
def test_what_is_not_computed_is_refused(tmp_path: Path, config: dict[str, Any], text: str) -> None:
    if "model_type" not in config:
        config = config | {"ssm_cfg": {"layer": "Mamba2"} | config.get("ssm_cfg", {})}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=text):
        load_model(tmp_path)
