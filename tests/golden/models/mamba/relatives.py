"""Small models of every family of transformers that has Mamba layers, with random weights and every speciality on."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from qse_hw.golden.models.mamba.families import FAMILIES
from qse_hw.golden.models.mamba.hugging_face import HuggingFace, hugging_face

VOCABULARY = 61
_COMMON: dict[str, Any] = {"vocab_size": VOCABULARY, "hidden_size": 48, "pad_token_id": None}
_ATTENTION: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 40}
_MAMBA1: dict[str, Any] = {"mamba_d_state": 8, "mamba_dt_rank": 5, "mamba_d_conv": 3}
_HEADS: dict[str, Any] = {"mamba_n_heads": 6, "mamba_d_head": 16, "mamba_n_groups": 2, "mamba_d_state": 8}
_MAMBA2: dict[str, Any] = _HEADS | {"mamba_chunk_size": 16, "time_step_limit": (0.05, 0.5)}

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "mamba": {"state_size": 8, "num_hidden_layers": 2, "conv_kernel": 3, "time_step_rank": 5},
    "mamba2": {
        "state_size": 8, "num_hidden_layers": 2, "head_dim": 16, "num_heads": 6, "n_groups": 2, "chunk_size": 16,
        "time_step_limit": (0.05, 0.5),
    },
    "falcon_mamba": {"state_size": 8, "num_hidden_layers": 2, "conv_kernel": 3, "time_step_rank": 5},
    "jamba": _MAMBA1 | _ATTENTION | {
        "num_hidden_layers": 4, "attn_layer_period": 2, "attn_layer_offset": 0, "num_experts": 3,
        "expert_layer_period": 3, "expert_layer_offset": 1,
    },
    "zamba": _MAMBA1 | _ATTENTION | {
        "num_hidden_layers": 4, "n_mamba_heads": 2,
        "layers_block_type": ["linear_attention", "hybrid", "linear_attention", "hybrid"],
    },
    "zamba2": _ATTENTION | {
        "num_hidden_layers": 4, "num_key_value_heads": 4, "n_mamba_heads": 6, "mamba_headdim": 16, "mamba_ngroups": 2,
        "mamba_d_state": 8, "chunk_size": 16, "time_step_min": 0.05, "use_mem_rope": True, "num_mem_blocks": 2,
        "use_shared_attention_adapter": True, "adapter_rank": 3,
        "layers_block_type": ["hybrid", "linear_attention", "hybrid", "hybrid"],
    },
    "bamba": _MAMBA2 | _ATTENTION | {"num_hidden_layers": 4, "attn_layer_indices": [1, 3]},
    "granitemoehybrid": _MAMBA2 | _ATTENTION | {
        "num_hidden_layers": 3, "layer_types": ["linear_attention", "full_attention", "linear_attention"],
        "shared_intermediate_size": 24, "num_local_experts": 3, "position_embedding_type": "rope",
        "embedding_multiplier": 1.5, "residual_multiplier": 0.7, "attention_multiplier": 0.3, "logits_scaling": 2.0,
    },
    "falcon_h1": _MAMBA2 | _ATTENTION | {
        "num_hidden_layers": 2, "mamba_d_ssm": 96, "mamba_rms_norm": True, "mamba_norm_before_gate": False,
        "embedding_multiplier": 1.5, "lm_head_multiplier": 0.5, "ssm_multipliers": [0.9, 0.8, 1.1, 1.2, 0.7],
        "ssm_in_multiplier": 1.3, "ssm_out_multiplier": 0.8, "mlp_multipliers": [0.9, 1.1], "key_multiplier": 0.6,
        "attention_in_multiplier": 1.2, "attention_out_multiplier": 0.9,
    },
    "nemotron_h": _ATTENTION | {
        "layers_block_type": ["mlp", "linear_attention", "full_attention", "linear_attention", "moe"],
        "ssm_state_size": 8, "mamba_num_heads": 6, "mamba_head_dim": 16, "n_groups": 2, "chunk_size": 16,
        "head_dim": 12, "n_routed_experts": 4, "moe_intermediate_size": 24, "moe_shared_expert_intermediate_size": 20,
        "time_step_limit": (0.05, 0.5),
    },
}  # fmt: skip
"""By package; each family's hybrids have layers of every kind."""


def relative(package: str, **more: Any) -> Any:
    """A model of that family, nothing of which may hide behind ones and zeros."""
    family = next(one for one in FAMILIES if one.package == package)
    torch.manual_seed(1)
    config = getattr(transformers, f"{family.prefix}Config")(**_COMMON | CONFIGURATIONS[package] | more)
    model = getattr(transformers, f"{family.prefix}ForCausalLM")(config)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model.eval()


def layers_of(model: Any) -> HuggingFace:
    """The model, a layer at a time."""
    layers = hugging_face(model)
    assert layers is not None
    return layers


@contextmanager
def convolved(model: Any) -> Iterator[list[tuple[nn.Module, Tensor]]]:
    """Independently of any quantizer: every mixer, and x as it leaves its convolution, in the order of the calls.

    The functions that the mixers call are replaced in their module; nothing else is.
    """
    seen: list[tuple[nn.Module, Tensor]] = []
    module: Any = sys.modules[type(model).__module__]
    owners = {mixer.conv1d.weight.data_ptr(): mixer for mixer in layers_of(model).mixers}
    own = {name: getattr(module, name) for name in ("causal_conv1d_fn", "causal_conv1d_update")}

    def noting(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def convolve(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            y = function(x, *args, **kwargs)
            weight = next(one for one in args if one.dim() == 2)
            mixer = owners[weight.data_ptr()]
            seen.append((mixer, y[:, : mixer.intermediate_size].detach().clone()))
            return y

        return convolve

    for name, function in own.items():
        setattr(module, name, noting(function))
    try:
        yield seen
    finally:
        for name, function in own.items():
            setattr(module, name, function)


def pieces(model: Any, parts: Iterable[Tensor]) -> Tensor:
    """Logits of the ids (b, l) of every part, one part after another with the cache."""
    result, cache = [], None
    name = next(one for one in ("cache_params", "past_key_values") if one in signature(type(model).forward).parameters)
    for part in parts:
        with torch.no_grad():
            output = model(part, use_cache=True, **{} if cache is None else {name: cache})
        cache = getattr(output, name)
        result.append(output.logits)
    return torch.cat(result, dim=1)


def steps(model: Any, ids: Tensor, first: int = 15) -> Tensor:
    """Logits of the first tokens of ids (b, l) at once, then of each by itself."""
    return pieces(model, (ids[:, :first], *ids[:, first:].split(1, dim=1)))
