"""Weights of a Mamba's linear layers as int8 times a scale, in place: the layers keep the products as floats.

A row of a weight (one output) is ``codes * scale``, codes int8 from -127 to 127 and scale the row's largest magnitude
over 127, rounded to 16 significant bits, so that every product is exact in float32. A model in another dtype has the
products rounded to it. Codes are not kept, but follow from weight and scale; checkpoints
store them (:mod:`qse_hw.golden.models.mamba.stored_weights`).

Shapes: outputs o, inputs i.
"""

from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.hugging_face import hugging_face
from qse_hw.golden.models.mamba.model import Mamba
from qse_hw.golden.models.mamba.stored_weights import LARGEST, SCALE_SUFFIX, decode, encode, to_bits

Model = TypeVar("Model", bound=nn.Module)

SCALE = "weight_scale"
"""The attribute of a linear layer whose weights were rounded: float32 (o, 1). Converting a buffer would round it."""


def mixers(model: nn.Module) -> list[nn.Module]:
    """The mixers of a Mamba, ours or transformers', first layer to last.

    Raises:
        InputError: for another model.
    """
    if isinstance(model, Mamba):
        return [block.mixer for block in model.blocks]
    if (theirs := hugging_face(model)) is not None:
        return list(theirs.mixers)
    raise InputError(f"Model must be a Mamba of this package or of transformers, not {type(model).__name__}")


def linears(model: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """The linear layers of all mixers, by their names in the model."""
    found = mixers(model)
    names = {module: name for name, module in model.named_modules()}
    for mixer in found:
        for module in mixer.modules():
            if isinstance(module, nn.Linear):
                yield names[module], module


@torch.no_grad()
def quantize_weights(model: Model) -> Model:
    """Round the weights of all linear layers of a Mamba's mixers to int8 times a scale per output, in place.

    Embedding, head, norms, convolutions and vectors stay as they are. Rounding cannot be undone; rounding again
    changes nothing.

    Args:
        model: as for :func:`qse_hw.golden.models.mamba.quantize.quantize_model`.

    Returns:
        ``model``.

    Raises:
        InputError: for another model, or a weight that is not finite; the model is then as it was.
    """
    if not isinstance(model, Mamba):
        from qse_hw.golden.models.mamba.transformers_quantizer import check_unquantized, remember  # needs transformers

        check_unquantized(model)
    rounded = [(linear, *_rounded(name, linear)) for name, linear in linears(model)]
    for linear, codes, scale in rounded:
        linear.weight.copy_(decode(encode(codes), scale))
        setattr(linear, SCALE, scale)
    if not isinstance(model, Mamba):
        remember(model)
    return model


def stored_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Codes and scales of a model whose weights were rounded, as files have them; none of another model.

    Raises:
        InputError: if weights are not the products that they were rounded to, as after further training.
    """
    tensors: dict[str, Tensor] = {}
    layers = list(linears(model))
    if not any(hasattr(linear, SCALE) for _, linear in layers):
        return {}
    for name, linear in layers:
        rounded = _products(linear)
        if rounded is None:
            raise InputError(
                f"Weights of {name} must be int8 times their scale, as those of other layers, but were changed since; "
                "call quantize_weights again"
            )
        codes, scale = rounded
        tensors |= {f"{name}.weight": encode(codes), f"{name}.weight{SCALE_SUFFIX}": scale}
    return tensors


def _rounded(name: str, linear: nn.Linear) -> tuple[Tensor, Tensor]:
    weight = linear.weight.detach()
    if not weight.isfinite().all():
        raise InputError(f"Weights of {name} must be finite to be quantized, but have NaN or infinity")
    rounded = _products(linear)
    if rounded is not None:
        return rounded
    scale = to_bits(weight.abs().amax(dim=1, keepdim=True).float() / LARGEST)
    scale = torch.where(scale > 0, scale, 1.0)  # a row of zeros
    return _codes(weight, scale), scale


def _products(linear: nn.Linear) -> tuple[Tensor, Tensor] | None:
    """Codes and scale of which the weights are the products; None if there are none."""
    scale: Tensor | None = getattr(linear, SCALE, None)
    if scale is None:
        return None
    weight = linear.weight.detach()
    scale = scale.to(weight.device)
    codes = _codes(weight, scale)
    return (codes, scale) if torch.equal(decode(encode(codes), scale, weight.dtype), weight) else None


def _codes(weight: Tensor, scale: Tensor) -> Tensor:
    return (weight.float() / scale).round_().clamp_(-LARGEST, LARGEST).to(torch.int8)
