"""Local Mamba-1 checkpoints: the original layout and Hugging Face's in, the original layout out.

Nothing is downloaded, and nothing is ever unpickled beyond plain tensors.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

import golden
from golden.errors import InputError
from golden.files import replacing
from golden.mamba.model import Mamba, MambaConfig, weight_shapes

BUNDLED = Path(golden.__file__).parent / "assets" / "mamba-bytes"
"""The checkpoint that comes with the package: bytes, d_model 256, 6 layers."""

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def load_model(directory: Path | str | None = None) -> Mamba:
    """The model in ``directory`` (None: the bundled one), float32, on the CPU, in evaluation mode.

    Raises:
        InputError: when the folder does not hold a sound Mamba-1 checkpoint.
    """
    directory = BUNDLED if directory is None else Path(directory)
    if not directory.is_dir():
        raise InputError(f"Checkpoint {directory} must be a folder with config.json and weights; it does not exist")
    config = _config(_json(directory / "config.json"), directory)
    state = _weights(directory)
    _check(state, config, directory)
    with torch.device("meta"):
        model = Mamba(config)
    model.load_state_dict({name: tensor.float() for name, tensor in state.items()}, assign=True, strict=False)
    if config.tie_embeddings:
        model.lm_head.weight = model.backbone.embedding.weight
    return model.eval()


def save_model(model: Mamba, directory: Path | str, dtype: torch.dtype = torch.float16) -> None:
    """Write ``directory``/model.safetensors and config.json in the original layout."""
    directory, config = Path(directory), model.config
    tensors = {name: p.detach().to("cpu", dtype).contiguous() for name, p in model.named_parameters()}  # tied ones once
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise InputError(f"Weight {name} must be finite as {dtype}, and is not; save with a wider dtype")
    settings = {
        "d_model": config.d_model,
        "n_layer": config.n_layer,
        "vocab_size": config.vocab_size,
        "ssm_cfg": {name: getattr(config, name) for name in ("d_state", "d_conv", "expand", "dt_rank")},
        "rms_norm": True,
        "norm_epsilon": config.eps,
        "residual_in_fp32": True,
        "pad_vocab_size_multiple": 1,
        "tie_embeddings": config.tie_embeddings,
    }
    with replacing(directory / "model.safetensors") as part:
        save_file(tensors, part, metadata={"format": "pt"})
    with replacing(directory / "config.json") as part:
        part.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def fingerprint(model: Mamba) -> str:
    """SHA-256 (hex) of the names, shapes and float32 bytes of all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"Checkpoint {path.parent} must hold {path.name}, and does not") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must be a JSON object, not a {type(content).__name__}")
    return content


def _config(raw: dict[str, Any], directory: Path) -> MambaConfig:
    """The sizes, from either layout; whatever this model does not compute is refused."""

    def require(condition: bool, rule: str, value: object) -> None:
        if not condition:
            raise InputError(f"{rule}, not {value!r}")

    try:
        if "model_type" in raw:  # Hugging Face
            require(raw["model_type"] == "mamba", 'model_type must be "mamba"', raw["model_type"])
            hidden, inner = raw["hidden_size"], raw.get("intermediate_size")
            expand = raw.get("expand", 2)
            if inner is not None and isinstance(hidden, int) and hidden > 0:
                require(inner % hidden == 0, f"intermediate_size must be a multiple of {hidden}", inner)
                expand = inner // hidden
            for key, value in {"use_conv_bias": True, "use_bias": False, "hidden_act": "silu"}.items():
                require(raw.get(key, value) == value, f"{key} must be {value!r}", raw.get(key))
            return MambaConfig(
                d_model=hidden,
                n_layer=raw["num_hidden_layers"],
                vocab_size=raw["vocab_size"],
                d_state=raw.get("state_size", 16),
                d_conv=raw.get("conv_kernel", 4),
                expand=expand,
                dt_rank=_automatic(raw.get("time_step_rank", "auto")),
                eps=raw.get("layer_norm_epsilon", 1e-5),
                tie_embeddings=bool(raw.get("tie_word_embeddings", True)),
            )
        ssm = raw.get("ssm_cfg") or {}
        require(ssm.get("layer", "Mamba1") == "Mamba1", 'ssm_cfg.layer must be "Mamba1"', ssm.get("layer"))
        require(not raw.get("attn_layer_idx"), "attn_layer_idx must be empty", raw.get("attn_layer_idx"))
        require(not raw.get("d_intermediate"), "d_intermediate must be 0", raw.get("d_intermediate"))
        require(raw.get("rms_norm", True) is True, "rms_norm must be true", raw.get("rms_norm"))
        require(ssm.get("conv_bias", True) is True, "ssm_cfg.conv_bias must be true", ssm.get("conv_bias"))
        require(ssm.get("bias", False) is False, "ssm_cfg.bias must be false", ssm.get("bias"))
        multiple = raw.get("pad_vocab_size_multiple", 8)
        require(
            isinstance(multiple, int) and multiple > 0, "pad_vocab_size_multiple must be a positive integer", multiple
        )
        return MambaConfig(
            d_model=raw["d_model"],
            n_layer=raw["n_layer"],
            vocab_size=-(-raw["vocab_size"] // multiple) * multiple,
            d_state=ssm.get("d_state", 16),
            d_conv=ssm.get("d_conv", 4),
            expand=ssm.get("expand", 2),
            dt_rank=_automatic(ssm.get("dt_rank", "auto")),
            eps=raw.get("norm_epsilon", 1e-5),
            tie_embeddings=bool(raw.get("tie_embeddings", True)),
        )
    except KeyError as error:
        raise InputError(f"{directory / 'config.json'} must give {error.args[0]}, and does not") from error
    except InputError as error:
        raise InputError(f"Checkpoint {directory} must be a plain Mamba-1, but in its config.json {error}") from error
    except (TypeError, AttributeError) as error:  # a string where a number or an object belongs
        raise InputError(f"{directory / 'config.json'} has a value of the wrong type: {error}") from error


def _automatic(rank: object) -> Any:
    return 0 if rank == "auto" else rank


def _weights(directory: Path) -> dict[str, Tensor]:
    """All tensors, by their original names, in whatever dtype they were stored."""
    state: dict[str, Tensor] = {}
    for name in _WEIGHTS:
        index = directory / f"{name}.index.json"
        if (directory / name).is_file():
            files = [name]
        elif index.is_file():
            files = _shards(index)
        else:
            continue
        for file in files:
            state.update(_tensors(directory / file))
        return {key.replace("backbone.embeddings.", "backbone.embedding."): tensor for key, tensor in state.items()}
    raise InputError(f"Checkpoint {directory} must hold {' or '.join(_WEIGHTS)}, and does not")


def _shards(index: Path) -> list[str]:
    table = _json(index).get("weight_map")
    if not isinstance(table, dict) or not all(isinstance(f, str) and Path(f).name == f for f in table.values()):
        raise InputError(f"{index} must have a weight_map from tensors to file names in the same folder, and has not")
    return sorted(set(table.values()))


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"Checkpoint {path.parent} must hold {path.name}, and does not") from error
    except (OSError, SafetensorError) as error:
        raise InputError(f"Weights {path} cannot be read: {error}; copy the file again") from error
    except Exception as error:  # torch.load raises nearly anything on a damaged or hostile file
        raise InputError(
            f"Weights {path} must be a complete PyTorch file of plain tensors, and are not; copy the file again"
        ) from error
    if isinstance(content, dict) and all(isinstance(k, str) and isinstance(t, Tensor) for k, t in content.items()):
        return content
    raise InputError(f"Weights {path} must be a dictionary of tensors, and are not")


def _check(state: dict[str, Tensor], config: MambaConfig, directory: Path) -> None:
    """Names, shapes, dtypes and finiteness; a tied lm_head, where stored, is compared and dropped."""
    layers = {name.split(".")[2] for name in state if name.startswith("backbone.layers.")}
    if len(layers) != config.n_layer:  # first, so that a false count costs no time
        raise InputError(
            f"Checkpoint {directory} must have the {config.n_layer} layers of config.json, not {len(layers)}"
        )
    embedding = state.get("backbone.embedding.weight")
    head = state.get("lm_head.weight") if config.tie_embeddings else None
    if head is not None and embedding is not None:
        if not torch.equal(head, embedding):
            raise InputError(f"lm_head.weight of {directory} must equal the tied embedding, and does not")
        del state["lm_head.weight"]
    expected = weight_shapes(config)
    missing, surplus = expected.keys() - state.keys(), state.keys() - expected.keys()
    for problem, names in (("lacks", missing), ("has the unexpected", surplus)):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise InputError(f"Checkpoint {directory} must have a Mamba-1's tensors, but {problem} {min(names)}{more}")
    for name, tensor in state.items():
        if tuple(tensor.shape) != expected[name]:
            raise InputError(f"{name} of {directory} must have shape {expected[name]}, not {tuple(tensor.shape)}")
        if not tensor.dtype.is_floating_point:
            raise InputError(f"{name} of {directory} must be floating point, not {tensor.dtype}")
        if not tensor.float().isfinite().all():
            raise InputError(f"{name} of {directory} must be finite, but has NaN or infinity")
