"""Checkpoints of quantized Mambas of this package: written in the original layout, read in Hugging Face's, too.

Every layer's format and scale are in config.json (:mod:`qse_hw.golden.models.mamba.quantization_config`), and weights
that ``quantize_weights`` has rounded are int8 (:mod:`qse_hw.golden.models.mamba.stored_weights`). Models of
transformers are saved and loaded by their own ``save_pretrained`` and ``from_pretrained``
(:mod:`qse_hw.golden.models.mamba.transformers_quantizer`).
"""

import os
from importlib import import_module
from pathlib import Path

import torch

from qse_hw.golden.checks import as_path, instance
from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.checkpoint import model_of, write_checkpoint
from qse_hw.golden.models.mamba.int8_weights import SCALE, linears, stored_tensors
from qse_hw.golden.models.mamba.layout import QUANTIZATION, settings
from qse_hw.golden.models.mamba.model import Mamba
from qse_hw.golden.models.mamba.quantization_config import from_json, quantizers, to_json
from qse_hw.golden.models.mamba.weights import LEARNED_STEP, Weights


def save_quantized(model: Mamba, directory: str | os.PathLike[str]) -> None:
    """Write ``directory``/model.safetensors and config.json, from which :func:`load_quantized` restores every bit.

    Args:
        model: a Mamba of this package, float32, with quantizers, rounded weights, or both.
        directory: the folder, which is made if it is missing.

    Raises:
        InputError: for another model, or one that is not quantized; for weights changed since they were rounded.
    """
    instance(model, Mamba, "Model", "a Mamba of this package; one of transformers has save_pretrained")
    folder, tensors = as_path(directory, "Folder"), stored_tensors(model)
    layers = quantizers(model)
    if not tensors and not any(layers):
        raise InputError("Model must be quantized to be saved as such, and is not; call quantize_model, or save_model")
    for name, p in model.named_parameters():  # tied: once
        if name.endswith(LEARNED_STEP):
            continue  # it is a scale in config.json
        if p.dtype != torch.float32:
            raise InputError(f"Model must be float32 to be saved quantized, but {name} is {p.dtype}")
        tensors.setdefault(name, p.detach())
    content = settings(model.config) | {QUANTIZATION: to_json(layers)}
    write_checkpoint(folder, content, {name: tensor.cpu().contiguous() for name, tensor in tensors.items()})


def load_quantized(directory: str | os.PathLike[str]) -> Mamba:
    """The model that :func:`save_quantized` wrote, or ``save_pretrained`` of a quantized model of transformers.

    Returns:
        Our model, float32, on the CPU, in evaluation mode, with its quantizers.

    Raises:
        InputError: when the folder does not hold a sound checkpoint that this package has quantized.
    """
    folder = Path(as_path(directory, "Folder"))
    weights = Weights(folder, quantized=True)
    layers = from_json(weights.quantization, f"Checkpoint {folder}")
    if len(layers) != weights.config.n_layer:
        raise InputError(
            f"Checkpoint {folder} must have quantizers for its {weights.config.n_layer} layers, not {len(layers)}"
        )
    model = model_of(weights)
    for block, quantizer in zip(model.blocks, layers, strict=True):
        block.mixer.quantizer = quantizer
    for name, linear in linears(model):
        if f"{name}.weight" in weights.scales:
            setattr(linear, SCALE, weights.scales[f"{name}.weight"])
    return model


def register_quantizer() -> None:
    """Teach ``from_pretrained`` of transformers to load what ``save_pretrained`` of a quantized model wrote.

    ``quantize_model`` and ``quantize_weights`` of a model of transformers do so, too.
    """
    import_module("qse_hw.golden.models.mamba.transformers_quantizer")  # registers itself, once
