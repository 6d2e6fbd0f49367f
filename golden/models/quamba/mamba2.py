"""Mamba-2 with the inputs and the output of its SSM quantized as in Quamba2; everything else stays floating point.

Source: "Quamba2" (2025, arXiv 2503.22879). Quantized here: x, its channels sorted by their absolute maxima and cut into
groups with a scale each; B and C, INT8 with a scale for each SSD group; the gated norm's output y, Hadamard transform
then INT8; out_proj, 8-bit weights with the inverse transform folded in, float16 out.

Left out: 8-bit in_proj, convolution, dt, A and D with their split output scales, and the state. Grouping is by channel
alone, while the paper first clusters the heads of an SSD group and then the channels of each cluster. The sorting only
says which scale a channel has: no channel is moved, so the Hadamard transform sees y in the model's own order.
Shapes: batch b, length l, ``d_inner`` d.
"""

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from qse_hw.golden.calibration.quantizers import Quantizer
from qse_hw.golden.checks import instance
from qse_hw.golden.formats.presets import int8
from qse_hw.golden.models.mamba.checkpoint import fingerprint
from qse_hw.golden.models.mamba.mamba2 import Mamba2Mixer
from qse_hw.golden.models.mamba.model import Mamba
from qse_hw.golden.models.quamba.calibrate_mamba2 import config_of
from qse_hw.golden.models.quamba.calibration_mamba2 import Quamba2Calibration
from qse_hw.golden.models.quamba.layers import HadamardLinear
from qse_hw.golden.models.quamba.model import check_quantizers


class QuambaMamba2(nn.Module):
    """A Mamba-2 whose SSM is quantized: ids (b, l) -> logits (b, l, vocab_size), float32.

    Args:
        model: the unquantized model; it is not changed.
        calibration: of that very model.
        x_quantizers: of x (b, l, d), one per layer, e.g. ``Layer2Scales.x_quantizer`` of a format; None: INT8 at the
            groups' percentile scales.

    Raises:
        InputError: for a calibration of another checkpoint or a wrong number of quantizers.
    """

    def __init__(
        self, model: Mamba, calibration: Quamba2Calibration, x_quantizers: Sequence[Quantizer] | None = None
    ) -> None:
        super().__init__()
        config = config_of(model)
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
            mixer = cast(Mamba2Mixer, block.mixer)
            mixer.out_proj = HadamardLinear(mixer.out_proj.weight, layer.y, f"Layer {i}, out_proj")  # type: ignore[assignment]

    @torch.no_grad()
    def forward(self, ids: Tensor) -> Tensor:
        """Logits (b, l, vocab_size) of ids (b, l), every sequence from an empty state."""
        return cast(Tensor, self.model(ids, self._quantize))

    def _quantize(self, layer: int, name: str, value: Tensor) -> Tensor:
        return self.quantizers[layer][name].tensor(value)
