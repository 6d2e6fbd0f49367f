"""The config.json of a checkpoint: the original layout and Hugging Face's in, the original layout out."""

import json
from pathlib import Path
from typing import Any

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Config, MambaConfig

_SSM_SIZES = {
    "mamba1": ("d_state", "d_conv", "expand", "dt_rank"),
    "mamba2": ("d_state", "d_conv", "expand", "headdim", "ngroups"),
}
_GATE_EPS = 1e-5  # of the gated norm: fixed in the original Mamba-2, while the other norms' is in the config
_NO_LIMIT = (0.0, float("inf"))

QUANTIZATION = "quantization_config"
"""The item of a config.json that says how a checkpoint is quantized, and by which program (``quant_method``)."""

METHOD = "qse_hw"
"""This program's ``quant_method``."""


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a checkpoint."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"Checkpoint {path.parent} must hold {path.name}, and does not") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must be a JSON object, not a {type(content).__name__}")
    return content


def read_config(directory: Path) -> Config:
    """The sizes, from either layout; settings that the models of this package do not implement are refused."""
    raw = read_json(directory / "config.json")
    try:
        if "model_type" not in raw:
            return _original(raw)
        kind = raw["model_type"]
        _require(kind in ("mamba", "mamba2"), 'model_type must be "mamba" or "mamba2"', kind)
        return _hugging_face_1(raw) if kind == "mamba" else _hugging_face_2(raw)
    except KeyError as error:
        raise InputError(f"{directory / 'config.json'} must give {error.args[0]}, and does not") from error
    except InputError as error:
        raise InputError(f"Checkpoint {directory} must be a plain Mamba, but in its config.json {error}") from error
    except (TypeError, AttributeError) as error:  # a string where a number or an object belongs
        raise InputError(f"{directory / 'config.json'} has a value of the wrong type: {error}") from error


def check_method(document: object, where: str) -> None:
    """InputError, which begins with ``where``, unless ``document`` describes this program's quantization."""
    method = document.get("quant_method") if isinstance(document, dict) else None
    if method != METHOD:
        raise InputError(
            f"{where}: quantization must be none, or that of {METHOD}, not {method!r}; give the checkpoint in float16, "
            "bfloat16 or float32 that it was made from"
        )


def settings(config: Config) -> dict[str, Any]:
    """The content of config.json in the original layout."""
    kind = {"layer": "Mamba2"} if isinstance(config, Mamba2Config) else {}
    if kind and config.eps != _GATE_EPS:
        raise InputError(f"eps of a Mamba-2 must be {_GATE_EPS} to be saved in the original layout, not {config.eps}")
    return {
        "d_model": config.d_model,
        "n_layer": config.n_layer,
        "vocab_size": config.vocab_size,
        "ssm_cfg": kind | {name: getattr(config, name) for name in _SSM_SIZES[config.architecture]},
        "rms_norm": True,
        "norm_epsilon": config.eps,
        "residual_in_fp32": True,
        "pad_vocab_size_multiple": 1,
        "tie_embeddings": config.tie_embeddings,
    }


def _require(condition: bool, rule: str, value: object) -> None:
    if not condition:
        raise InputError(f"{rule}, not {value!r}")


def _fixed(raw: dict[str, Any], prefix: str = "", /, **values: Any) -> None:
    """Settings of which one value is implemented; it is also their default."""
    for key, value in values.items():
        given = raw.get(key, value)
        _require(type(given) is type(value) and given == value, f"{prefix}{key} must be {json.dumps(value)}", given)


def _unlimited(raw: dict[str, Any], key: str, name: str) -> None:
    """A clamp of the time steps that does nothing; infinity is ``Infinity`` or {"__float__": "Infinity"}."""
    given = raw.get(key)
    if given is not None:
        limits = tuple(float(v["__float__"]) if isinstance(v, dict) else v for v in given)
        _require(limits == _NO_LIMIT, f"{name} must be [0, Infinity]", given)


def _original(raw: dict[str, Any]) -> Config:
    ssm = raw.get("ssm_cfg") or {}
    layer = ssm.get("layer", "Mamba1")
    _require(layer in ("Mamba1", "Mamba2"), 'ssm_cfg.layer must be "Mamba1" or "Mamba2"', layer)
    _require(not raw.get("attn_layer_idx"), "attn_layer_idx must be empty", raw.get("attn_layer_idx"))
    _require(not raw.get("d_intermediate"), "d_intermediate must be 0", raw.get("d_intermediate"))
    _fixed(raw, rms_norm=True)
    _fixed(ssm, "ssm_cfg.", conv_bias=True, bias=False)
    multiple = raw.get("pad_vocab_size_multiple", 8)
    _require(isinstance(multiple, int) and multiple > 0, "pad_vocab_size_multiple must be a positive integer", multiple)
    common: dict[str, Any] = {
        "d_model": raw["d_model"],
        "n_layer": raw["n_layer"],
        "vocab_size": -(-raw["vocab_size"] // multiple) * multiple,
        "d_conv": ssm.get("d_conv", 4),
        "expand": ssm.get("expand", 2),
        "eps": raw.get("norm_epsilon", 1e-5),
        "tie_embeddings": bool(raw.get("tie_embeddings", True)),
    }
    if layer == "Mamba1":
        return MambaConfig(**common, d_state=ssm.get("d_state", 16), dt_rank=_automatic(ssm.get("dt_rank", "auto")))
    _fixed(ssm, "ssm_cfg.", rmsnorm=True, norm_before_gate=False, D_has_hdim=False)
    _require(ssm.get("activation", "swish") in ("swish", "silu"), 'ssm_cfg.activation must be "swish"', ssm)
    _unlimited(ssm, "dt_limit", "ssm_cfg.dt_limit")
    _require(common["eps"] == _GATE_EPS, f"norm_epsilon must be {_GATE_EPS}", common["eps"])
    config = Mamba2Config(
        **common,
        d_state=ssm.get("d_state", 128),
        headdim=ssm.get("headdim", 64),
        ngroups=ssm.get("ngroups", 1),
    )
    inner = ssm.get("d_ssm")
    _require(inner is None or inner == config.d_inner, f"ssm_cfg.d_ssm must be {config.d_inner}", inner)
    return config


def _hugging_face_1(raw: dict[str, Any]) -> MambaConfig:
    hidden, inner = raw["hidden_size"], raw.get("intermediate_size")
    expand = raw.get("expand", 2)
    if inner is not None and isinstance(hidden, int) and hidden > 0:
        _require(inner % hidden == 0, f"intermediate_size must be a multiple of {hidden}", inner)
        expand = inner // hidden
    return MambaConfig(
        **_hugging_face(raw, tied=True),
        expand=expand,
        d_state=raw.get("state_size", 16),
        dt_rank=_automatic(raw.get("time_step_rank", "auto")),
    )


def _hugging_face_2(raw: dict[str, Any]) -> Mamba2Config:
    _fixed(raw, rms_norm=True)
    _unlimited(raw, "time_step_limit", "time_step_limit")
    config = Mamba2Config(
        **_hugging_face(raw, tied=False),
        expand=raw.get("expand", 2),
        d_state=raw.get("state_size", 128),
        headdim=raw.get("head_dim", 64),
        ngroups=raw.get("n_groups", 8),
    )
    heads = raw.get("num_heads", 128)
    _require(heads == config.n_heads, f"num_heads must be expand * hidden_size / head_dim = {config.n_heads}", heads)
    return config


def _hugging_face(raw: dict[str, Any], *, tied: bool) -> dict[str, Any]:
    """The settings that both architectures name alike; ``tied`` is the default of tied embeddings, which differs."""
    _fixed(raw, use_conv_bias=True, use_bias=False, hidden_act="silu")
    return {
        "d_model": raw["hidden_size"],
        "n_layer": raw["num_hidden_layers"],
        "vocab_size": raw["vocab_size"],
        "d_conv": raw.get("conv_kernel", 4),
        "eps": raw.get("layer_norm_epsilon", 1e-5),
        "tie_embeddings": bool(raw.get("tie_word_embeddings", tied)),
    }


def _automatic(rank: object) -> Any:
    return 0 if rank == "auto" else rank
