"""Mamba-1 with 8-bit weights and activations: simulated in PyTorch, its integer parts bit-exact to hardware.

Source: Chiang et al., "Quamba: A Post-Training Quantization Recipe for Selective State Space Models" (2024,
arXiv 2410.13229); formats of x: arXiv 2601.09451.
Shapes: batch b, length l, ``d_model`` m, ``d_inner`` d, ``dt_rank`` r, ``d_state`` n.

Scales are dyadic (16 bits) and static, one for each tensor. Requantization from int32 to int8 is integer arithmetic. In
float32 are: the residual stream, RMSNorm, the convolution's sum with its bias and SiLU, and the scan; y, and what
out_proj adds to the residual stream, are float16 values. Where float16 would overflow it saturates.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qse_hw.golden.calibration.quantizers import Quantizer, SegmentedQuantizer
from qse_hw.golden.checks import boolean, function, instance, shown
from qse_hw.golden.errors import InputError, InputTypeError
from qse_hw.golden.formats.presets import int8
from qse_hw.golden.models.mamba.checkpoint import fingerprint
from qse_hw.golden.models.mamba.model import Block, Mamba, MambaConfig, Mixer
from qse_hw.golden.models.mamba.text import check_ids
from qse_hw.golden.models.quamba.calibration import LayerScales, QuambaCalibration
from qse_hw.golden.models.quamba.integer import (
    MAX_INT8,
    IntegerLinear,
    dequantize,
    multiplier,
    quantize,
    quantize_weight,
    requantize,
    to_float16,
)
from qse_hw.golden.models.quamba.layers import HadamardLinear, IntegerConv, XProjection, XProjInput
from qse_hw.golden.models.quamba.scan import State, selective_scan, store_as

Tap = Callable[[int, str, Tensor], None]
"""``(layer, name, tensor)``: is called with every intermediate tensor of a layer that :data:`TAPS` names."""

TAPS = ("norm", "in_proj", "xz", "conv", "x", "x_decoded", "x_proj", "dt_proj", "dt", "y", "y_code", "out")
"""int8: norm, xz, x_proj, dt, y_code. int32 accumulators: in_proj, conv, dt_proj. float32: x before and after it is
quantized, out. float16: y."""


class QuambaBlock(nn.Module):
    """One quantized layer: the residual stream (b, l, m) -> (b, l, m), float32."""

    D: Tensor
    A: Tensor
    dt_bias: Tensor

    def __init__(
        self,
        block: Block,
        scales: LayerScales,
        quantizer: Quantizer,
        *,
        x_proj_input: XProjInput = "code",
        state: State = "fp32",
        layer: int = 0,
    ) -> None:
        super().__init__()
        mixer, where = cast(Mixer, block.mixer), f"Layer {layer}"
        self.scales, self.eps, self.split = scales, block.norm.eps, mixer.split
        folded = (mixer.in_proj.weight.detach().double() * block.norm.weight.detach().double()).float()
        self.in_proj = IntegerLinear(folded, max_input=MAX_INT8, where=f"{where}, in_proj")
        self.to_xz = multiplier(scales.norm.step * self.in_proj.step, scales.xz, f"{where}, in_proj")
        bias = cast(Tensor, mixer.conv1d.bias)
        self.conv = IntegerConv(mixer.conv1d.weight, bias, scales.xz.step, f"{where}, conv1d")
        self.x_proj = XProjection(
            mixer.x_proj.weight, quantizer, scales.x, scales.x_proj, x_proj_input, f"{where}, x_proj"
        )
        self.dt_proj = IntegerLinear(mixer.dt_proj.weight, max_input=MAX_INT8, where=f"{where}, dt_proj")
        self.to_dt = multiplier(scales.x_proj.step * self.dt_proj.step, scales.dt, f"{where}, dt_proj")
        self.register_buffer("dt_bias", quantize_weight(mixer.dt_proj.bias, f"{where}, dt_bias").value)
        self.register_buffer("A", -torch.exp(quantize_weight(mixer.A_log, f"{where}, A_log").value))
        self.register_buffer("D", quantize_weight(mixer.D, f"{where}, D").value)
        self.state, self.store = state, store_as(state, scales.state)
        self.out_proj = HadamardLinear(mixer.out_proj.weight, scales.y, f"{where}, out_proj")

    def forward(self, residual: Tensor, see: Callable[[str, Tensor], None] | None = None) -> Tensor:
        """``see`` is a :data:`Tap` whose layer is fixed."""

        def tapped(name: str, value: Tensor) -> Tensor:
            if see is not None:
                see(name, value)
            return value

        scales = self.scales
        normalized = F.rms_norm(residual, residual.shape[-1:], eps=self.eps)
        norm = tapped("norm", quantize(normalized, scales.norm, "half even"))
        xz = tapped("xz", requantize(tapped("in_proj", self.in_proj(norm)), self.to_xz))
        before, gate = xz.chunk(2, dim=-1)
        x = tapped("x", self.conv(tapped("conv", self.conv.accumulate(before))))
        x, projected = self.x_proj(x)
        tapped("x_decoded", x)
        low, B, C = tapped("x_proj", projected).split_with_sizes(self.split, dim=-1)
        dt = tapped("dt", requantize(tapped("dt_proj", self.dt_proj(low)), self.to_dt))
        y = selective_scan(
            x,
            dequantize(dt, scales.dt.step),
            self.A,
            dequantize(B, scales.x_proj.step),
            dequantize(C, scales.x_proj.step),
            self.D,
            dequantize(gate, scales.xz.step),
            self.dt_bias,
            store=self.store,
        )
        y = tapped("y", to_float16(y))
        if see is not None:
            see("y_code", self.out_proj.quantize(y))
        return residual + tapped("out", self.out_proj(y))


class QuambaMamba(nn.Module):
    """A quantized Mamba-1: ids (b, l) -> logits (b, l, vocab_size), float32.

    Args:
        model: the unquantized model; it is not changed.
        calibration: of that very model.
        x_quantizers: of x, one per layer: a :class:`SegmentedQuantizer` (the soft edge, INT8, tuned formats), or any
            other quantizer, whose decoded values x_proj then reads; None: INT8 at the percentile scale, as in Quamba.
        x_proj_input: "code" or "int8", see :class:`XProjection`.
        state: "fp32", "fp16" or "int8": how the SSM state is stored between time steps.
        quantize_head: whether embedding and lm_head have 8-bit weights (per tensor; their inputs stay floating point).

    Raises:
        InputError: for a calibration of another checkpoint, a wrong number of quantizers, or sums that could leave
            int32.
    """

    embedding: Tensor
    head: Tensor

    def __init__(
        self,
        model: Mamba,
        calibration: QuambaCalibration,
        x_quantizers: Sequence[Quantizer] | None = None,
        *,
        x_proj_input: XProjInput = "code",
        state: State = "fp32",
        quantize_head: bool = False,
    ) -> None:
        super().__init__()
        instance(model, Mamba, "Model", "a Mamba of this package, as load_model gives it")
        if not isinstance(model.config, MambaConfig):
            raise InputError("Model must be a Mamba-1, not a Mamba-2; use qse_hw.golden.models.quamba.mamba2")
        instance(calibration, QuambaCalibration, "Calibration", "a QuambaCalibration, as calibrate_quamba gives it")
        boolean(quantize_head, "quantize_head")
        calibration.check(fingerprint(model), model.config.n_layer)
        if x_quantizers is None:
            x_quantizers = [SegmentedQuantizer(format=int8(), scale=layer.x) for layer in calibration.layers]
        check_quantizers(x_quantizers, model.config.n_layer)
        self.config = model.config
        self.layers = nn.ModuleList(
            QuambaBlock(block, scales, quantizer, x_proj_input=x_proj_input, state=state, layer=i)
            for i, (block, scales, quantizer) in enumerate(
                zip(model.blocks, calibration.layers, x_quantizers, strict=True)
            )
        )
        self.norm_f = model.backbone.norm_f
        embedding, head = model.backbone.embedding.weight, model.lm_head.weight
        self.embedding_step: Fraction | None = None  # where its values are codes times a step
        self.head_step: Fraction | None = None
        if quantize_head:
            codes = quantize_weight(embedding, "Embedding")
            embedding, self.embedding_step = codes.value, codes.step
            codes = quantize_weight(head, "lm_head")
            head, self.head_step = codes.value, codes.step
        self.register_buffer("embedding", embedding.detach())
        self.register_buffer("head", head.detach())

    @torch.no_grad()
    def forward(self, ids: Tensor, tap: Tap | None = None) -> Tensor:
        """Logits (b, l, vocab_size) of ids (b, l), every sequence from an empty state."""
        return F.linear(self.features(ids, tap), self.head)

    @torch.no_grad()
    def features(self, ids: Tensor, tap: Tap | None = None) -> Tensor:
        """The normalized residual stream (b, l, m) that the head reads."""
        if not isinstance(ids, Tensor) or ids.dim() != 2:
            raise InputTypeError(f"Ids must be an integer tensor (b, l), not {shown(ids)}")
        check_ids(ids, self.config.vocab_size, ("(count,)", "(b, l)"))
        function(tap, "Tap")
        residual = F.embedding(ids, self.embedding)
        for i, layer in enumerate(self.layers):
            see = None if tap is None else lambda name, value, i=i: tap(i, name, value)
            residual = layer(residual, see)
        return cast(Tensor, self.norm_f(residual))


def check_quantizers(quantizers: Sequence[Quantizer], layers: int) -> None:
    """InputError unless there is one quantizer for every layer."""
    each = list(quantizers) if isinstance(quantizers, Sequence) else [None]
    if not all(callable(getattr(quantizer, "tensor", None)) for quantizer in each):
        raise InputTypeError(
            f"Quantizers of x must be a sequence of a quantizer for each of the {layers} layers, such as a "
            f"SegmentedQuantizer, not {shown(quantizers)}"
        )
    if len(quantizers) != layers:
        raise InputError(f"There must be one quantizer of x for each of the {layers} layers, not {len(quantizers)}")
