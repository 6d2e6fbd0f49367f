"""Small models of transformers, quantizers that show, and what is seen of both."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import Mamba2Config as HF2Config
from transformers import Mamba2ForCausalLM, MambaForCausalLM
from transformers import MambaConfig as HF1Config

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.quantize import tensor

COMMON: dict[str, Any] = {"vocab_size": 61, "hidden_size": 48, "num_hidden_layers": 3, "state_size": 8}
IDS = torch.randint(61, (2, 40), generator=torch.Generator().manual_seed(2))
# Coarse, with another format and scale for every layer, so that a layer that is left out, or has another's, shows.
QUANTIZERS = [
    SegmentedQuantizer(format=load_format(name), scale=Scale.from_step(step))
    for name, step in (("se8:L=3", 0.3), ("se8-silu", 0.11), ("int8", 0.07))
]


def made(kind: str, **more: Any) -> Any:
    """A small model of transformers, nothing of which may hide behind ones and zeros."""
    torch.manual_seed(1)
    common = COMMON | more
    if kind == "mamba":
        model: Any = MambaForCausalLM(HF1Config(**common, conv_kernel=3, time_step_rank=5, use_associative_scan=False))
    else:
        sizes = {"expand": 2, "head_dim": 16, "num_heads": 6, "n_groups": 2, "chunk_size": 16}
        model = Mamba2ForCausalLM(HF2Config(**common, **sizes))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return model.eval()


def logits(model: Any, ids: Tensor = IDS) -> Tensor:
    with torch.no_grad():
        logits = model(ids)
    return logits if isinstance(logits, Tensor) else logits.logits


def decoded(quantizer: SegmentedQuantizer, x: Tensor) -> Tensor:
    codes = tensor.quantize(x, quantizer.format, quantizer.scale)
    return tensor.dequantize(codes, quantizer.format, quantizer.scale).to(x.dtype)


def by_transform(layer: int, name: str, x: Tensor) -> Tensor:
    """What quantizing means, told to our model from outside."""
    return decoded(QUANTIZERS[layer], x) if name == "x" else x


def watched(model: Any) -> list[dict[str, Tensor]]:
    """What goes into and comes out of every layer's quantizer, and into x_proj, in the next run."""
    seen: list[dict[str, Tensor]] = [{} for _ in model.backbone.layers]
    for layer, block in zip(seen, model.backbone.layers, strict=True):

        def quantized(module: nn.Module, inputs: Any, output: Tensor, layer: dict[str, Tensor] = layer) -> None:
            layer["x"], layer["decoded"] = inputs[0].detach(), output.detach()

        def projected(module: nn.Module, inputs: Any, layer: dict[str, Tensor] = layer) -> None:
            layer["x_proj"] = inputs[0].detach()

        block.mixer.quantizer.register_forward_hook(quantized)
        if hasattr(block.mixer, "x_proj"):
            block.mixer.x_proj.register_forward_pre_hook(projected)
    return seen
