"""Quantizers in a Mamba, ours or transformers': x of every layer is replaced by the decoded values of its codes.

Replaced is x after convolution and SiLU, before x_proj (Mamba-1) and the scan, where the hardware has its quantizer;
everything else stays as it is. So do the attention and MLP layers of a hybrid: layers are its Mamba layers, counted
from 0.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from qse_hw.golden.calibration.calibrate import Layer, calibrate
from qse_hw.golden.calibration.calibration import METHODS, Calibration, read_calibration
from qse_hw.golden.calibration.percentile import ALPHA, check_alpha
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.calibration.sharing import check_mode
from qse_hw.golden.calibration.spec import FormatSpec, parse_format
from qse_hw.golden.checks import boolean, one_of
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale, as_scale, check_scale_bits
from qse_hw.golden.formats.segmented import SegmentedFormat, check_format
from qse_hw.golden.models.mamba.families import known_models
from qse_hw.golden.models.mamba.hugging_face import HuggingFace, hugging_face
from qse_hw.golden.models.mamba.mixers import check_mixer, put
from qse_hw.golden.models.mamba.model import Mamba
from qse_hw.golden.models.mamba.stream import Layers, activations, layers_of
from qse_hw.golden.models.mamba.text import check_ids
from qse_hw.golden.quantize.learned import fake_quantize_learned
from qse_hw.golden.quantize.operators import fake_quantize

Model = TypeVar("Model", bound=nn.Module)
Source = Calibration | str | os.PathLike[str] | Sequence[SegmentedQuantizer]
"""The source of a model's quantizers: a calibration, its file, or a quantizer for each layer."""

_SEQUENCE = 512  # tokens, as in calibration from a checkpoint


class FakeQuantize(nn.Module):
    """Replaces every value by the decoded value of its code; see
    :func:`qse_hw.golden.quantize.operators.fake_quantize`.

    It has no parameters and no buffers, so a model's ``state_dict`` is the same with and without it; unless its step is
    learned, which is then the parameter ``step``, float32 ().

    Parameters:
        format: the format.
        scale: a :class:`qse_hw.golden.formats.scale.Scale`, or the step s as a number; where it is learned, the first.
        nan_to_zero: whether NaN becomes 0, as in hardware, instead of staying NaN.
        learn_scale: whether the step is learned (LSQ, :mod:`qse_hw.golden.quantize.learned`).

    Raises:
        InputError: for anything but a format, or a scale that breaks a rule.
    """

    step: nn.Parameter | None

    def __init__(
        self, format: SegmentedFormat, scale: Any, *, nan_to_zero: bool = False, learn_scale: bool = False
    ) -> None:
        super().__init__()
        check_format(format)
        self.format, self._scale, self.nan_to_zero = format, as_scale(scale), boolean(nan_to_zero, "nan_to_zero")
        learned = nn.Parameter(torch.tensor(float(self._scale.step))) if boolean(learn_scale, "learn_scale") else None
        self.register_parameter("step", learned)

    @property
    def scale(self) -> Scale:
        """The scale; of a learned step the nearest.

        Raises:
            InputError: for a learned step that no scale has, such as one that training made negative.
        """
        return self._scale if self.step is None else Scale.from_step(self.step.item(), self._scale.bits)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, float32, float16, bfloat16 or float64; the result has x's shape and dtype."""
        if self.step is not None:
            bits = self._scale.bits
            return fake_quantize_learned(x, self.format, self.step, bits, nan_to_zero=self.nan_to_zero)
        return fake_quantize(x, self.format, self.scale, nan_to_zero=self.nan_to_zero)

    def extra_repr(self) -> str:
        learned = ", learn_scale=True" if self.step is not None else ""
        nan = ", nan_to_zero=True" if self.nan_to_zero else ""
        return f"{self.format.name}, s = {float(self.scale.step):.6g}{learned}{nan}"


def quantize_model(
    model: Model,
    calibration: Source | None,
    *,
    method: str = "least_squares",
    nan_to_zero: bool = False,
    learn_scales: bool = False,
    check_weights: bool = True,
) -> Model:
    """Quantize x of every Mamba layer, in place; quantizers already there are replaced. Attention and MLP layers of a
    hybrid are left alone, and do not count as layers.

    Gradients go straight through, so the model can be trained on. Dtype, device, ``state_dict`` and ``generate()`` stay
    as they are, unless scales are learned; ``save_pretrained`` keeps the quantizers (docs/pytorch.md).

    :mod:`qse_hw.golden.models.mamba.stream`, ``capture`` and :func:`calibrate_model` of a quantized model
    see x at the input of a layer's quantizer, with the layers before it quantized; take the quantizers out to see the
    unquantized model's x.

    Args:
        model: our :class:`qse_hw.golden.models.mamba.model.Mamba`; or of transformers a ``ForCausalLM`` or ``Model``
            of Mamba, Mamba2, FalconMamba, Jamba, Zamba, Zamba2, Bamba, GraniteMoeHybrid, FalconH1 or NemotronH.
        calibration: a calibration, its file, or one quantizer per Mamba layer; None takes the quantizers out again. A
            calibration must be for these weights. That is checked if all of them are float32 and in memory; others may
            have been rounded since. A list of quantizers fits any model of as many layers.
        method: which of a calibration's quantizers, "least_squares" or "percentile".
        nan_to_zero: whether a quantizer makes NaN 0, as in hardware, instead of keeping it.
        learn_scales: whether the quantizers' steps are parameters of the model, learned with its weights (LSQ).
        check_weights: False accepts a calibration of other weights, such as those before further training; the numbers
            of layers and channels must still match.

    Returns:
        ``model``.

    Raises:
        InputError: for another model, or a calibration that does not fit; the model is then as it was.
    """
    layers = _layers(model)
    quantizers = None if calibration is None else _quantizers(
        model, layers, calibration, method, boolean(check_weights, "check_weights")
    )
    modules: list[FakeQuantize | None] = [None] * layers.config.n_layer
    if quantizers is not None:
        modules = [
            FakeQuantize(one.format, one.scale, nan_to_zero=nan_to_zero, learn_scale=learn_scales) for one in quantizers
        ]
    if isinstance(layers, HuggingFace):
        from qse_hw.golden.models.mamba.transformers_quantizer import check_unquantized, remember  # needs transformers

        check_unquantized(model)
        for mixer in layers.mixers:
            check_mixer(mixer)
        for mixer, module in zip(layers.mixers, modules, strict=True):
            put(mixer, module)
        remember(model)
    else:
        for layer, module in enumerate(modules):
            layers.block(layer).mixer.quantizer = module
    return model


def calibrate_model(
    model: nn.Module,
    ids: Tensor,
    format: FormatSpec | SegmentedFormat | str | os.PathLike[str] = "tuned",
    *,
    mode: str = "free",
    alpha: float = ALPHA,
    scale_bits: int = 16,
    progress: Callable[[int], None] | None = None,
) -> Calibration:
    """Find the format and scale of x for every Mamba layer of a model in memory, by least squared error of x and by
    percentile.

    The model is run a layer at a time. In memory are the residual stream of all tokens before and after a layer, and x
    of that layer (float32). Layer i of the result is the i-th Mamba layer: attention and MLP layers of a hybrid are run
    between them, and have no entry.

    Args:
        model: as for :func:`quantize_model`.
        ids: tokens (count,), cut into sequences of 512, each from an empty state, as ``python -m qse_hw calibrate``
            does; or (b, l), each row a sequence.
        format: a preset's name, which leaves its parameters open, ``tuned`` or
            ``tuned:segments=N,bits=B,headroom=M``, or a JSON file; or a format, as ``load_format`` gives it, of which
            only the scale is sought.
        mode: what tuned layers share, one of :data:`qse_hw.golden.calibration.sharing.MODES`.
        alpha: quantile of the percentile method.
        scale_bits: width of M.
        progress: called with each layer's number when the layer is done.

    Returns:
        The calibration, with the fingerprint of the weights, which equals the checkpoint's if no value was rounded; a
        transformers model without its head has no fingerprint.

    Raises:
        InputError: for another model, format or ids; naming the layer, where its values cannot be calibrated.
    """
    layers = _layers(model)
    spec = parse_format(format)
    check_scale_bits(scale_bits)
    check_mode(mode)
    check_alpha(alpha)
    check_ids(ids, layers.config.vocab_size, ("(count,)", "(b, l)"))
    length = ids.shape[1] if ids.dim() == 2 else _SEQUENCE
    streamed = activations(layers, ids.flatten().long(), tokens=ids.numel(), batch_length=length)
    result = calibrate(
        _inputs(streamed), spec, model=layers.fingerprint(), mode=mode, alpha=alpha, scale_bits=scale_bits,
        progress=progress,
    )  # fmt: skip
    return result.with_norm_groups(layers.config.norm_groups)


def _inputs(streamed: Iterator[tuple[int, dict[str, Any], Any, Tensor]]) -> Iterator[Layer]:
    for _, tensors, block, residual in streamed:
        yield Layer(x=tensors["x"])
        del tensors, block, residual  # before the next layer is run


def _layers(model: nn.Module) -> Layers:
    if isinstance(model, Mamba):
        return layers_of(model)
    theirs = hugging_face(model)
    if theirs is None:
        raise InputError(
            f"Model must be a Mamba of this package, or of transformers a {known_models()}, or one of these without "
            f"its head (MambaModel and so on), not a {type(model).__name__}"
        )
    return theirs


def _quantizers(
    model: nn.Module, layers: Layers, calibration: Source, method: str, check_weights: bool
) -> list[SegmentedQuantizer]:
    """One per layer, checked to be for this model."""
    one_of(method, METHODS, "Method")
    if isinstance(calibration, str | os.PathLike):
        calibration = read_calibration(calibration)
    config = layers.config
    if isinstance(calibration, Calibration):
        calibration.check(
            layers=config.n_layer, channels=config.d_inner, model="", whose="model's", norm_groups=config.norm_groups
        )
        exact = all(p.dtype == torch.float32 and not p.is_meta for p in model.parameters())
        known = layers.fingerprint() if check_weights and calibration.model and exact else ""
        if known not in ("", calibration.model):
            raise InputError(
                f"Calibration must be for the model's weights {known[:12]}, but is for {calibration.model[:12]}; "
                "calibrate again, or give check_weights=False if the model was trained since"
            )
        return [calibration.layer(number, method).quantizer for number in range(config.n_layer)]
    given = list(calibration) if isinstance(calibration, Sequence) else [None]
    quantizers = [quantizer for quantizer in given if isinstance(quantizer, SegmentedQuantizer)]
    if len(quantizers) != len(given):
        raise InputError(
            "Calibration must be a Calibration, the path of one, a sequence of a SegmentedQuantizer for each layer, or "
            f"None, not {type(calibration).__name__}"
        )
    if len(quantizers) != config.n_layer:
        raise InputError(f"Calibration must have the model's {config.n_layer} layers, not {len(quantizers)}")
    return quantizers
