"""The effect on the model of rounding one tensor alone: everything else stays in floating point.

The models here are candidates for :func:`qse_hw.golden.evaluate.score.score`, so that KL is measured as elsewhere.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.models.integer.formats import (
    ChannelFormat,
    FixedPoint,
    Granularity,
    LayerFormats,
    ModelFormats,
    ScaledChannels,
    State,
    channel_steps,
)
from qse_hw.golden.models.integer.mamba1.formats import Mamba1Formats
from qse_hw.golden.models.integer.mamba1.parameters import decays
from qse_hw.golden.models.integer.mamba2.formats import Mamba2Formats
from qse_hw.golden.models.integer.mamba2.parameters import decay_rates
from qse_hw.golden.models.integer.products import LOG2_E, quantize_rows
from qse_hw.golden.models.integer.simulation import run
from qse_hw.golden.models.mamba.model import Mamba


def tensors(kind: type[LayerFormats]) -> tuple[str, ...]:
    """The tensors that have a type."""
    return (*kind.OPERANDS, *kind.LOCALS, *kind.FIXED, "state", "norm_f")


def weights(kind: type[LayerFormats]) -> tuple[str, ...]:
    """The weights that have a type."""
    return ("embedding", *kind.WEIGHTS, "head")


TENSORS, WEIGHTS = tensors(Mamba1Formats), weights(Mamba1Formats)

Forward = Callable[[Tensor], Tensor]


def alone(model: Mamba, formats: ModelFormats, name: str) -> Forward:
    """The model with one of its :func:`tensors` or :func:`weights` rounded, in every layer."""
    changed = formats.transformations.model(model)
    kind = type(formats.layers[0])
    if name in weights(kind):
        _round_weights(changed, formats, name)
    names = {name} & set(tensors(kind))
    return lambda ids: _run(changed, formats, names, ids)


def together(model: Mamba, formats: ModelFormats) -> Forward:
    """The model with all tensors and weights rounded: nearly the integer model, in floating point."""
    changed = formats.transformations.model(model)
    kind = type(formats.layers[0])
    for name in weights(kind):
        _round_weights(changed, formats, name)
    return lambda ids: _run(changed, formats, set(tensors(kind)), ids)


@torch.no_grad()
def _run(changed: Mamba, formats: ModelFormats, names: set[str], ids: Tensor) -> Tensor:
    def see(layer: int, name: str, value: Tensor) -> Tensor:
        if name not in names:
            return value
        if name == "norm_f":
            return formats.norm_f.tensor(value)
        return rounded(getattr(formats.layers[layer], name), value)

    return run(changed, ids, see)


def rounded(to: SegmentedQuantizer | FixedPoint | ChannelFormat | ScaledChannels | State, value: Tensor) -> Tensor:
    """The values of a tensor, channels last, rounded to its type; a state has the shape (b, d, n)."""
    if isinstance(to, SegmentedQuantizer):
        return to.tensor(value)
    if isinstance(to, FixedPoint):
        return (value / 2.0**to.exponent + 0.5).floor().clamp(-to.high - 1, to.high) * 2.0**to.exponent
    if isinstance(to, ScaledChannels):
        unit = torch.tensor([float(step) for step in channel_steps(to, len(to.scales))])
    else:
        unit = torch.tensor([2.0**exponent for exponent in to.exponents])
    if isinstance(to, State):
        unit = unit[:, None]
    if isinstance(to.format, SegmentedFormat):
        codes = SegmentedQuantizer(format=to.format, scale=2.0**to.format.fraction_bits)  # type: ignore[arg-type]
        return codes.tensor(value / unit) * unit
    high = (1 << (to.format - 1)) - 1
    return (value / unit + 0.5).floor().clamp(-high - 1, high) * unit


def _round_weights(changed: Mamba, formats: ModelFormats, name: str) -> None:
    granularity = formats.weights
    if name == "embedding":
        _round(changed.backbone.embedding, "row")
    elif name == "head":
        _round(changed.lm_head, granularity)
    for block, layer in zip(changed.blocks, formats.layers, strict=True):
        mixer: Any = block.mixer
        if name == "A":
            mixer.A_log = nn.Parameter(rounded_A(mixer.A_log, layer), requires_grad=False)
        elif name not in ("embedding", "head"):
            _round(getattr(mixer, name), "row" if name == "conv1d" else granularity)


def _round(module: nn.Module, granularity: Granularity) -> None:
    weight = module.weight
    codes, steps = quantize_rows(weight.flatten(1), granularity, "Weight")  # type: ignore[operator]
    values = torch.from_numpy(codes) * torch.tensor([float(step) for step in steps])[:, None]
    module.weight = nn.Parameter(values.view(weight.shape).to(weight), requires_grad=False)  # type: ignore[arg-type]


def rounded_A(A_log: Tensor, layer: LayerFormats) -> Tensor:
    """A_log as the integer model stores it."""
    if isinstance(layer, Mamba2Formats):
        units, exponent = decay_rates(A_log, layer.A, "Layer"), layer.A.exponent
    else:
        own = cast(Mamba1Formats, layer).A
        units, exponent = decays(A_log, own, "Layer"), own.exponent
    return (torch.from_numpy(units).double() * (2.0**exponent / LOG2_E)).log().to(A_log.dtype)
