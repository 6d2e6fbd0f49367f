"""Edits of a checkpoint's two files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

Edit = Callable[[Any], object]


def edit_config(folder: Path, edit: Edit) -> None:
    path = folder / "config.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def edit_weights(folder: Path, edit: Edit) -> None:
    tensors: dict[str, torch.Tensor] = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file({name: t.contiguous() for name, t in tensors.items()}, folder / "model.safetensors", {"format": "pt"})


IN_PROJ = "backbone.layers.1.mixer.in_proj.weight"

CONFIGS: list[tuple[Edit, str]] = [
    (lambda c: c["quantization_config"].update(quant_method="fp8"), "must be none, or that of qse_hw, not 'fp8'; give"),
    (lambda c: c["quantization_config"].pop("quant_method"), "must be none, or that of qse_hw, not None"),
    (lambda c: c["quantization_config"].update(version=2), "quantization_config: version: 1 was expected"),
    (lambda c: c["quantization_config"]["layers"].pop(), "must have quantizers for .* 3 layers, not 2"),
    (lambda c: c["quantization_config"].update(layers=[]), "quantization_config: layers: "),
    (lambda c: c["quantization_config"].update(more=1), "quantization_config: document: .*'more'"),
    (lambda c: c["quantization_config"]["layers"][2]["scale"].update(M=1), "layer 2: Scale M must be from 32768 to"),
    (lambda c: c["quantization_config"]["layers"][0]["format"].update(bits=2), "layer 0: Format 'se8': too many codes"),
    (lambda c: c["quantization_config"]["layers"][0].update(nan_to_zero=0), "layers/0/nan_to_zero: 0 is not of type"),
]
"""Damage to config.json, and what refuses it."""

WEIGHTS: list[tuple[Edit, str]] = [
    (lambda t: t.pop(f"{IN_PROJ}_scale"), f"with their scales, but lacks {IN_PROJ}_scale; save it again"),
    (lambda t: t.pop(IN_PROJ), f"with their scales, but lacks {IN_PROJ}; save it again"),
    (lambda t: t.update({IN_PROJ: t[IN_PROJ].float()}), rf"but {IN_PROJ} is F32 \(.*, 48, 1\) and its scale F32"),
    (lambda t: t.update({IN_PROJ: t[IN_PROJ][..., 0]}), rf"but {IN_PROJ} is I8 \(\d+, 48\) and its scale F32"),
    (lambda t: t.update({f"{IN_PROJ}_scale": t[f"{IN_PROJ}_scale"].half()}), r"and its scale F16 \(\d+, 1\); save"),
    (lambda t: t.update({f"{IN_PROJ}_scale": t[f"{IN_PROJ}_scale"][:-1]}), r"its scale F32 \(\d+, 1\); save it"),
    (lambda t: t[IN_PROJ].fill_(-128), f"weights from -127 to 127, but {IN_PROJ} has -128; save it again"),
    (
        lambda t: t[f"{IN_PROJ}_scale"].neg_(),
        f"scales that are positive, .* but that of {IN_PROJ} has -.*; save it again",
    ),
    (lambda t: t[f"{IN_PROJ}_scale"].zero_(), f"of 16 significant bits, but that of {IN_PROJ} has 0.0; save it again"),
    (lambda t: t[f"{IN_PROJ}_scale"].fill_(torch.nan), f"of 16 significant bits, but that of {IN_PROJ} has nan; save"),
    (lambda t: t[f"{IN_PROJ}_scale"].fill_(torch.inf), f"of 16 significant bits, but that of {IN_PROJ} has inf; save"),
    (lambda t: t[f"{IN_PROJ}_scale"].fill_(0.1), f"of 16 significant bits, but that of {IN_PROJ} has 0.1.*; save it"),
]
"""Damage to model.safetensors, and what refuses it."""
