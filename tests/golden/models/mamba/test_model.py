"""The model against an independent one (transformers), and its hook."""

import json
from pathlib import Path

import pytest
import torch
from transformers import MambaConfig as HFConfig
from transformers import MambaForCausalLM

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.checkpoint import load_model, save_model
from qse_hw.golden.models.mamba.layout import read_config, settings
from qse_hw.golden.models.mamba.model import Mamba, MambaConfig, weight_shapes


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def oracle(request: pytest.FixtureRequest) -> MambaForCausalLM:
    torch.manual_seed(1)
    config = HFConfig(
        vocab_size=61,
        hidden_size=48,
        num_hidden_layers=3,
        state_size=8,
        conv_kernel=3,
        expand=3,
        time_step_rank=5,
        tie_word_embeddings=request.param,
        use_cache=False,
    )
    model = MambaForCausalLM(config).eval()
    with torch.no_grad():  # nothing may hide behind ones and zeros
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return model


IDS = torch.randint(61, (2, 50), generator=torch.Generator().manual_seed(2))


@torch.inference_mode()
def test_logits_equal_transformers(oracle: MambaForCausalLM, tmp_path: Path) -> None:
    oracle.save_pretrained(tmp_path)
    model = load_model(tmp_path)
    expected = oracle(IDS).logits
    assert expected.abs().max() > 1
    assert (model(IDS) - expected).abs().max() <= 1e-4


@torch.inference_mode()
def test_logits_survive_saving_in_the_original_layout(oracle: MambaForCausalLM, tmp_path: Path) -> None:
    oracle.save_pretrained(tmp_path / "hf")
    model = load_model(tmp_path / "hf")
    save_model(model, tmp_path / "original", dtype=torch.float32)
    again = load_model(tmp_path / "original")
    assert again.config == model.config
    assert torch.equal(again(IDS), model(IDS))


def test_what_a_hugging_face_config_leaves_out_is_as_in_transformers(tmp_path: Path) -> None:
    given = {"vocab_size": 61, "hidden_size": 48, "num_hidden_layers": 3}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mamba"} | given))
    theirs = HFConfig(**given)
    assert read_config(tmp_path) == MambaConfig(
        d_model=48,
        n_layer=3,
        vocab_size=61,
        d_state=theirs.state_size,
        d_conv=theirs.conv_kernel,
        expand=theirs.expand,
        dt_rank=theirs.time_step_rank,
        eps=theirs.layer_norm_epsilon,
        tie_embeddings=theirs.tie_word_embeddings,
    )


def test_the_original_layout_says_what_is_computed() -> None:
    """By the names of mamba_ssm 2.2.4, models/config_mamba.py; its vocabulary would be padded to a multiple of 8."""
    written = settings(MambaConfig(d_model=48, n_layer=3, vocab_size=61, tie_embeddings=False))
    assert (written["rms_norm"], written["residual_in_fp32"], written["tie_embeddings"]) == (True, True, False)
    assert (written["vocab_size"], written["pad_vocab_size_multiple"]) == (61, 1)


@torch.inference_mode()
def test_the_hook_sees_and_replaces_every_layers_x() -> None:
    torch.manual_seed(3)
    model = Mamba(MambaConfig(d_model=32, n_layer=2, vocab_size=61))
    seen = []

    def watch(layer: int, name: str, x: torch.Tensor) -> torch.Tensor:
        seen.append((layer, name, tuple(x.shape)))
        return x

    assert torch.equal(model(IDS, watch), model(IDS))
    assert seen == [(0, "x", (2, 50, 64)), (1, "x", (2, 50, 64))]
    # With x = 0 nothing flows through the scan or D, so only the embedding is left.
    silenced = model(IDS, lambda layer, name, x: torch.zeros_like(x))
    embedding = model.backbone.embedding(IDS)
    assert torch.equal(silenced, model.lm_head(model.backbone.norm_f(embedding)))


@torch.inference_mode()
def test_no_future_token_changes_the_past() -> None:
    torch.manual_seed(4)
    model = Mamba(MambaConfig(d_model=32, n_layer=2, vocab_size=61))
    changed = IDS.clone()
    changed[:, 30] = (changed[:, 30] + 1) % 61
    a, b = model(IDS), model(changed)
    assert torch.equal(a[:, :30], b[:, :30])
    assert not torch.equal(a[:, 30:], b[:, 30:])


def test_shapes_are_those_of_the_published_130m() -> None:
    config = MambaConfig(d_model=768, n_layer=24, vocab_size=50280)
    shapes = weight_shapes(config)
    assert config.dt_rank == 48
    assert shapes["backbone.layers.23.mixer.x_proj.weight"] == (80, 1536)
    assert shapes["backbone.layers.0.mixer.conv1d.weight"] == (1536, 1, 4)
    assert sum(torch.Size(s).numel() for s in shapes.values()) == 129_135_360  # as its authors count it
    with torch.device("meta"):
        built = {name: tuple(p.shape) for name, p in Mamba(config).named_parameters()}
    assert built == shapes


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="n_layer must be a positive integer, not 0"):
        MambaConfig(d_model=32, n_layer=0, vocab_size=61)
    with pytest.raises(InputError, match="dt_rank must be"):
        MambaConfig(d_model=32, n_layer=1, vocab_size=61, dt_rank=-1)
    with pytest.raises(InputError, match="eps must be"):
        MambaConfig(d_model=32, n_layer=1, vocab_size=61, eps=0.0)
