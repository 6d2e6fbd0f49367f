"""Mamba-2 with 8-bit weights and activations as in Quamba2: simulated in PyTorch, its integer parts bit-exact to
hardware.

Source: "Quamba2" (2025, arXiv 2503.22879). As in :mod:`qse_hw.golden.models.quamba.model`, scales are dyadic and
static. In float32 are: the residual stream, both norms, the convolution's sum with its bias and SiLU, and the scan. The
output of the scan and of the gated norm, and what out_proj adds to the residual stream, are float16 values.

Weights have one scale for each of in_proj's five parts, of the convolution's three, and of out_proj. x has a scale for
each group of channels, which are sorted by their absolute maxima; B and C have one for each SSD group. The paper first
clusters the heads of an SSD group and then the channels of each cluster. The sorting only says which scale a channel
has: no channel is moved, so the Hadamard transform sees y in the model's own order.
Shapes: batch b, length l, ``d_model`` m, ``d_inner`` d, ``d_state`` n, SSD groups g.
"""

import copy
from collections.abc import Sequence
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qse_hw.golden.calibration.quantizers import Quantizer
from qse_hw.golden.checks import instance, one_of
from qse_hw.golden.formats.presets import int8
from qse_hw.golden.models.mamba.checkpoint import fingerprint
from qse_hw.golden.models.mamba.common import Kernels, LayerTransform
from qse_hw.golden.models.mamba.mamba2 import Mamba2Mixer, ssd
from qse_hw.golden.models.mamba.model import Block, Mamba
from qse_hw.golden.models.quamba.calibrate_mamba2 import IN_PROJ, config_of, in_proj_split
from qse_hw.golden.models.quamba.calibration_mamba2 import Layer2Scales, Quamba2Calibration
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
from qse_hw.golden.models.quamba.layers import HadamardLinear, IntegerConv
from qse_hw.golden.models.quamba.model import check_quantizers

Scope = Literal["whole", "ssm"]
SCOPES: tuple[Scope, ...] = ("whole", "ssm")


class QuambaMamba2Mixer(nn.Module):
    """A quantized mixer: RMSNorm's output without its weight (b, l, m) -> (b, l, m)."""

    A: Tensor
    D: Tensor
    dt_bias: Tensor

    def __init__(self, block: Block, scales: Layer2Scales, where: str) -> None:
        super().__init__()
        mixer = cast(Mamba2Mixer, block.mixer)
        self.config, self.scales, self.norm = mixer.config, scales, mixer.norm
        folded = (mixer.in_proj.weight.detach().double() * block.norm.weight.detach().double()).float()
        parts = zip(IN_PROJ, folded.split_with_sizes(in_proj_split(self.config)), strict=True)
        self.in_proj = nn.ModuleDict(
            {name: IntegerLinear(part, max_input=MAX_INT8, where=f"{where}, {name}") for name, part in parts}
        )
        self.by = {
            name: multiplier(scales.norm.step * linear.step, getattr(scales, name), f"{where}, {name}")
            for name, linear in cast(dict[str, IntegerLinear], self.in_proj).items()
        }
        widths = in_proj_split(self.config)[1:4]
        weights = mixer.conv1d.weight.split_with_sizes(widths)
        biases = cast(Tensor, mixer.conv1d.bias).split_with_sizes(widths)
        self.convs = nn.ModuleDict(
            {
                name: IntegerConv(weight, bias, getattr(scales, f"{name}_in").step, f"{where}, conv1d, {name}")
                for name, weight, bias in zip("xBC", weights, biases, strict=True)
            }
        )
        self.register_buffer("dt_bias", quantize_weight(mixer.dt_bias, f"{where}, dt_bias").value)
        self.register_buffer("A", -torch.exp(quantize_weight(mixer.A_log, f"{where}, A_log").value))
        self.register_buffer("D", quantize_weight(mixer.D, f"{where}, D").value)
        self.out_proj = HadamardLinear(mixer.out_proj.weight, scales.y, f"{where}, out_proj")

    def forward(self, hidden: Tensor, kernels: Kernels, transform: LayerTransform) -> Tensor:
        """``transform`` quantizes x (b, l, d), B and C (b, l, g n)."""
        config, scales = self.config, self.scales
        codes = quantize(hidden, scales.norm, "half even")
        parts = {name: requantize(linear(codes), self.by[name]) for name, linear in self.in_proj.items()}
        x, B, C = (
            transform(name, conv(cast(IntegerConv, conv).accumulate(parts[f"{name}_in"])))
            for name, conv in self.convs.items()
        )
        x = x.reshape(*x.shape[:2], config.n_heads, config.headdim)
        B, C = (part.reshape(*part.shape[:2], config.ngroups, config.d_state) for part in (B, C))
        dt = F.softplus(dequantize(parts["dt"], scales.dt.step) + self.dt_bias)
        y = ssd(x, dt, self.A, B, C, config.chunk) + self.D[:, None] * x
        gated = to_float16(y.flatten(-2)).float() * F.silu(dequantize(parts["z"], scales.z.step))
        projected: Tensor = self.out_proj(self.norm(gated))
        return projected


class QuambaMamba2(nn.Module):
    """A quantized Mamba-2: ids (b, l) -> logits (b, l, vocab_size), float32.

    Args:
        model: the unquantized model; it is not changed.
        calibration: of that very model.
        x_quantizers: of x (b, l, d), one per layer, e.g. ``Layer2Scales.x_quantizer`` of a format; None: INT8 at the
            groups' percentile scales.
        scope: "whole"; "ssm": only x, B, C and out_proj with its input are quantized, all else is float32.

    Raises:
        InputError: for a calibration of another checkpoint or a wrong number of quantizers.
    """

    def __init__(
        self,
        model: Mamba,
        calibration: Quamba2Calibration,
        x_quantizers: Sequence[Quantizer] | None = None,
        *,
        scope: Scope = "whole",
    ) -> None:
        super().__init__()
        config = config_of(model)
        one_of(scope, SCOPES, "Scope")
        instance(calibration, Quamba2Calibration, "Calibration", "a Quamba2Calibration, as calibrate_quamba2 gives it")
        calibration.check(fingerprint(model), config.n_layer, config.d_inner, config.ngroups)
        if x_quantizers is None:
            x_quantizers = [layer.x_quantizer(int8()) for layer in calibration.layers]
        check_quantizers(x_quantizers, config.n_layer)
        self.config = config
        self.quantizers: list[dict[str, Quantizer]] = [
            {"x": x} | {name: layer.state_quantizer(name, config.d_state) for name in ("B", "C")}
            for x, layer in zip(x_quantizers, calibration.layers, strict=True)
        ]
        self.model = copy.deepcopy(model)
        for i, (block, layer) in enumerate(zip(self.model.blocks, calibration.layers, strict=True)):
            if scope == "ssm":
                mixer = cast(Mamba2Mixer, block.mixer)
                mixer.out_proj = HadamardLinear(mixer.out_proj.weight, layer.y, f"Layer {i}, out_proj")  # type: ignore[assignment]
            else:
                block.mixer = QuambaMamba2Mixer(block, layer, f"Layer {i}")  # type: ignore[assignment]
                block.norm.weight.detach().fill_(1)  # it is in in_proj

    @torch.no_grad()
    def forward(self, ids: Tensor) -> Tensor:
        """Logits (b, l, vocab_size) of ids (b, l), every sequence from an empty state."""
        return cast(Tensor, self.model(ids, self._quantize))

    def _quantize(self, layer: int, name: str, value: Tensor) -> Tensor:
        return self.quantizers[layer][name].tensor(value)
