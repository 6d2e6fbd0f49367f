"""Local Mamba-1 and Mamba-2 checkpoints: the original layout and Hugging Face's in, the original layout out.

Nothing is downloaded; only plain tensors are unpickled.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from qse_hw import golden
from qse_hw.golden.errors import InputError
from qse_hw.golden.io.files import replacing
from qse_hw.golden.models.mamba.layout import settings
from qse_hw.golden.models.mamba.model import Mamba
from qse_hw.golden.models.mamba.shapes import is_random
from qse_hw.golden.models.mamba.weights import Weights, digest

BUNDLED = Path(golden.__file__).parent / "assets" / "mamba-bytes"
"""The Mamba-1 that comes with the package: bytes, d_model 256, 6 layers."""

BUNDLED_MAMBA2 = Path(golden.__file__).parent / "assets" / "mamba2-bytes"
"""The Mamba-2 that comes with the package: bytes, d_model 256, 6 layers."""


def locate(directory: Path | str | None) -> Path:
    """The checkpoint's folder; None or a bundled model's name, unless a folder has it: that of the bundled model."""
    if directory is None:
        return BUNDLED
    if is_random(directory):
        raise InputError(f"Model {directory} has random weights, which serve calibrating x alone; give a checkpoint")
    if not Path(directory).is_dir():
        for bundled in (BUNDLED, BUNDLED_MAMBA2):
            if str(directory) == bundled.name:
                return bundled
    return Path(directory)


def load_model(directory: Path | str | None = None) -> Mamba:
    """The model in ``directory`` (see :func:`locate`), float32, on the CPU, in evaluation mode.

    Raises:
        InputError: when the folder does not hold a sound Mamba checkpoint.
    """
    return model_of(Weights(locate(directory)))


def model_of(weights: Weights) -> Mamba:
    """The model with these weights, as :func:`load_model` gives it."""
    with torch.device("meta"):
        model = Mamba(weights.config)
    model.load_state_dict(dict(weights.all()), assign=True, strict=False)
    if weights.config.tie_embeddings:
        model.lm_head.weight = model.backbone.embedding.weight
    return model.eval()


def save_model(model: Mamba, directory: Path | str, dtype: torch.dtype = torch.float16) -> None:
    """Write ``directory``/model.safetensors and config.json in the original layout.

    Raises:
        InputError: for a value that is not finite in ``dtype``, or a model with quantizers, which this would lose.
    """
    if any(block.mixer.quantizer is not None for block in model.blocks):
        raise InputError(
            "Model must have no quantizers to be saved without them; save it with qse_hw.save_quantized, or take them "
            "out with quantize_model(model, None)"
        )
    tensors = {name: p.detach().to("cpu", dtype).contiguous() for name, p in model.named_parameters()}  # tied: once
    write_checkpoint(directory, settings(model.config), tensors)


def write_checkpoint(directory: Path | str, content: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write tensors to ``directory``/model.safetensors and ``content`` to config.json.

    Raises:
        InputError: for a tensor that is not finite, or a folder that cannot be written.
    """
    directory = Path(directory)
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise InputError(f"Weight {name} must be finite as {tensor.dtype}, and is not; save with a wider dtype")
    with replacing(directory / "model.safetensors") as part:
        save_file(tensors, part, metadata={"format": "pt"})
    with replacing(directory / "config.json") as part:
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def fingerprint(model: Mamba) -> str:
    """SHA-256 (hex) of the names, shapes and float32 bytes of all weights."""
    return digest(iter(sorted(model.state_dict().items())))
