"""The quantizer that transformers calls when it saves and loads a model that ``quantize_model`` has quantized.

Importing this module registers it. ``save_pretrained`` then writes formats and scales to config.json and int8 weights
with their scales, and ``from_pretrained`` restores them: the loaded model equals the saved one on every bit. Where it
is not registered, transformers says that it does not know the quantization and skips it, and refuses int8 weights
(:mod:`qse_hw.golden.models.mamba.stored_weights`).
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.int8_weights import SCALE, linears, mixers, stored_tensors
from qse_hw.golden.models.mamba.layout import METHOD
from qse_hw.golden.models.mamba.mixers import check_mixer, put
from qse_hw.golden.models.mamba.quantization_config import from_json, quantizers, to_json
from qse_hw.golden.models.mamba.stored_weights import check_values, decode, headers, int8_weights
from qse_hw.golden.models.mamba.weights import LEARNED_STEP

_WHERE = "Checkpoint"


@register_quantization_config(METHOD)
class QseConfig(QuantizationConfigMixin):
    """The items of the document of :mod:`qse_hw.golden.models.mamba.quantization_config`.

    Raises:
        InputError: for a document that breaks a rule.
    """

    def __init__(self, **document: Any) -> None:
        from_json(document, _WHERE)
        vars(self).update(document)


@register_quantizer(METHOD)
class QseQuantizer(HfQuantizer):
    """On loading, decodes int8 weights and gives the mixers their quantizers; on saving, the reverse."""

    is_trainable = True
    is_qat_trainable = True
    is_compileable = True

    def validate_environment(self, *args: Any, **kwargs: Any) -> None:
        if not self.pre_quantized:
            raise InputError("Model must be quantized by quantize_model once it is loaded, not by from_pretrained")

    def is_serializable(self) -> bool:
        return True

    def _process_model_before_weight_loading(
        self, model: nn.Module, checkpoint_files: list[str] | None = None, **kwargs: Any
    ) -> None:
        """Makes room for int8 weights and scales in the place of floats."""
        layers = from_json(self.quantization_config.to_dict(), _WHERE)
        found = mixers(model)
        if len(layers) != len(found):
            raise InputError(f"{_WHERE} must have quantizers for the model's {len(found)} layers, not {len(layers)}")
        for mixer in found:
            check_mixer(mixer)
        files = [file for file in checkpoint_files or [] if file.endswith(".safetensors")]
        stored = int8_weights(headers(files), _WHERE)
        places = [linear for _, linear in linears(model)] if stored else []
        if len(places) != len(stored):
            raise InputError(
                f"{_WHERE} must have int8 weights in the mixers' {len(places)} linear layers, not in {len(stored)}"
            )
        self._dtypes = [linear.weight.dtype for linear in places]
        for linear in places:
            codes = torch.empty((*linear.weight.shape, 1), dtype=torch.int8, device=linear.weight.device)
            linear.weight = nn.Parameter(codes, requires_grad=False)
            linear.register_buffer(SCALE, torch.empty(len(codes), 1, dtype=torch.float32, device=codes.device))

    def _process_model_after_weight_loading(self, model: nn.Module, **kwargs: Any) -> nn.Module:
        for dtype, (name, linear) in zip(self._dtypes, linears(model), strict=False):
            scale = cast(Tensor, linear._buffers.pop(SCALE))
            check_values(f"{name}.weight", linear.weight, scale, _WHERE)
            linear.weight = nn.Parameter(decode(linear.weight, scale, dtype))
            setattr(linear, SCALE, scale)
        del self._dtypes
        for mixer, quantizer in zip(mixers(model), from_json(self.quantization_config.to_dict(), _WHERE), strict=True):
            put(mixer, quantizer)
        cast(Any, model).is_quantized = False  # the weights are floats, which half() and float() may convert
        return model

    def get_state_dict_and_metadata(self, model: nn.Module) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Called before the config is written, which gets the quantizers as they are now."""
        cast(Any, model).config.quantization_config = self.quantization_config = _described(model)
        state = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith(LEARNED_STEP)}
        return state | stored_tensors(model), {}


def check_unquantized(model: nn.Module) -> None:
    """InputError if another program than this one has quantized a model of transformers."""
    other = getattr(model, "hf_quantizer", None)
    if other is not None and not isinstance(other, QseQuantizer):
        method = other.quantization_config.quant_method
        raise InputError(
            f"Model must have floating-point weights, but is quantized by {getattr(method, 'value', method)}; load it "
            "without quantization_config"
        )


def remember(model: nn.Module) -> None:
    """Let ``save_pretrained`` keep a model's quantizers and int8 weights, if it has any."""
    of_model = cast(Any, model)
    if any(quantizers(model)) or any(hasattr(linear, SCALE) for _, linear in linears(model)):
        of_model.config.quantization_config = _described(model)
        of_model.hf_quantizer = QseQuantizer(of_model.config.quantization_config, pre_quantized=True)
    elif isinstance(getattr(model, "hf_quantizer", None), QseQuantizer):
        of_model.hf_quantizer.remove_quantization_config(model)


def _described(model: nn.Module) -> QseConfig:
    return QseConfig(**to_json(quantizers(model)))
