"""The quantized Mamba-1 one token at a time, with int8 weights, and states stored in their stated dtype.

Each product reads int8 weights and 8-bit codes (:func:`qse_hw.golden.quantize.operators.linear`); no float copy of a
weight is held. Every code equals that of :class:`qse_hw.golden.models.quamba.model.QuambaMamba`; where float operations
may differ in the last bit, tests/golden/models/quamba/test_decode.py states.
Shapes: batch b, ``d_model`` m, ``d_inner`` d, ``d_state`` n.
"""

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.errors import InputError, InputTypeError
from qse_hw.golden.formats.presets import int8
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.tables import value_table
from qse_hw.golden.models.mamba.generate import Decoder, Region
from qse_hw.golden.models.mamba.model import MambaConfig
from qse_hw.golden.models.quamba import fused_ops
from qse_hw.golden.models.quamba.model import QuambaBlock, QuambaMamba
from qse_hw.golden.quantize import operators
from qse_hw.golden.reference.hadamard import core, factorize, sylvester

_INT8 = int8()
_STATES = {"fp32": torch.float32, "fp16": torch.float16, "int8": torch.int8}


class QuambaLayer(nn.Module):
    """One layer's int8 weights, constants and state, on the block's device.

    Args:
        block: the quantized block; its int8 weights are shared.
        batch: sequences.
        where: what messages call it.

    Raises:
        InputError: if x has no segmented format, whose codes the integer product needs.
    """

    in_proj: Tensor
    x_proj: Tensor
    dt_proj: Tensor
    out_proj: Tensor
    window: Tensor
    state: Tensor

    def __init__(self, block: QuambaBlock, *, batch: int, where: str) -> None:
        super().__init__()
        quantizer, source = block.x_proj.quantizer, block.x_proj.source
        if not isinstance(quantizer, SegmentedQuantizer) or not isinstance(source, SegmentedQuantizer):
            raise InputError(f"{where}: x must have a segmented format to be decoded, not {type(quantizer).__name__}")
        self.x, self.x_proj_reads, self.recoded = quantizer, source, block.x_proj.reads == "int8"
        self.y_scale, self.eps, self.split = block.out_proj.scale, block.eps, block.split[0]
        scales, device = block.scales, block.A.device
        self.transform = Hadamard(block.D.shape[0], device)
        steps: dict[str, Fraction] = {
            "conv_step": block.conv.step,
            "gate_step": scales.xz.step,
            "dt_step": scales.dt.step,
            "x_proj_step": scales.x_proj.step,
            "state_step": scales.state.step,
            "out_step": block.out_proj.step,
        }
        rules: dict[str, Scale] = {"to_xz": block.to_xz, "to_x_proj": block.x_proj.by, "to_dt": block.to_dt}
        buffers: dict[str, Tensor] = {
            "in_proj": block.in_proj.codes,
            "taps": block.conv.codes,
            "conv_bias": block.conv.bias,
            "x_proj": block.x_proj.linear.codes,
            "dt_proj": block.dt_proj.codes,
            "dt_bias": block.dt_bias,
            "A": block.A,
            "D": block.D,
            "out_proj": block.out_proj.linear.codes,
            "values": torch.from_numpy(value_table(quantizer.format, quantizer.scale)),
            "norm_factor": fused_ops.factor_of(scales.norm),
            "state_factor": fused_ops.factor_of(scales.state),
            "window": torch.zeros(batch, block.conv.codes.shape[0], block.conv.codes.shape[1] - 1, dtype=torch.int8),
            "state": torch.zeros(batch, *block.A.shape, dtype=_STATES[block.state]),
        }
        buffers |= {name: fused_ops.step_of(step) for name, step in steps.items()}
        buffers |= {name: fused_ops.requantization(by) for name, by in rules.items()}
        for name, value in buffers.items():
            self.register_buffer(name, value.to(device))

    def forward(self, residual: Tensor, fuse: Callable[[Region], Region]) -> Tensor:
        """The residual stream (b, m), float32, after this layer."""
        norm = fuse(fused_ops.normalize)(residual, self.norm_factor, self.eps)
        sums = operators.linear(norm, self.in_proj, _INT8)
        x, gate = fuse(fused_ops.convolve)(sums, self.to_xz, self.window, self.taps, self.conv_step, self.conv_bias)
        codes = operators.quantize(x, self.x.format, self.x.scale)
        read = codes
        if self.recoded:
            x = fuse(fused_ops.decoded)(codes, self.values)
            read = operators.quantize(x, self.x_proj_reads.format, self.x_proj_reads.scale)
        sums = operators.linear(read, self.x_proj, self.x_proj_reads.format)
        low, BC = fuse(fused_ops.project)(sums, self.to_x_proj, self.split)
        sums = operators.linear(low, self.dt_proj, _INT8)
        y = fuse(fused_ops.scan)(
            codes, self.values, sums, self.to_dt, self.dt_step, self.dt_bias, self.A, BC, self.x_proj_step, self.D,
            gate, self.gate_step, self.state, self.state_factor, self.state_step,
        )  # fmt: skip
        codes = operators.quantize(self.transform(y), _INT8, self.y_scale)
        sums = operators.linear(codes, self.out_proj, _INT8)
        after: Tensor = fuse(fused_ops.finish)(residual, sums, self.out_step)
        return after


class Hadamard(nn.Module):
    """:func:`qse_hw.golden.reference.hadamard.transform_tensor`, not normalized, as two products with matrices that are
    on the device.

    Exact for float16 values: float64 (b, n) -> float64 (b, n).
    """

    left: Tensor
    right: Tensor

    def __init__(self, n: int, device: torch.device) -> None:
        super().__init__()
        m, chunk = factorize(n)
        inner = min(chunk, 1 << math.isqrt(n).bit_length() - 1)  # both factors near the root of n
        matrices = {"left": np.kron(core(m), sylvester(chunk // inner)), "right": sylvester(inner)}
        for name, H in matrices.items():
            self.register_buffer(name, torch.tensor(H, dtype=torch.float64, device=device))

    def forward(self, y: Tensor) -> Tensor:
        return (self.left @ (y.view(len(y), len(self.left), len(self.right)) @ self.right)).flatten(1)


class QuambaDecoder(Decoder):
    """A quantized Mamba-1 that processes one token at a time.

    Embedding and head are int8 where the recipe quantizes them, else float16.

    Args:
        config: the sizes.
        blocks: first to last; of each only the int8 weights are kept when the next is requested.
        embedding: (vocab_size, m), float32, and the step of its 8-bit codes; None: it has none.
        head: the same.
        norm: weight of the last norm (m).
        batch: sequences.
        compiled: see :class:`Decoder`.

    Raises:
        InputError: if x of a layer has no segmented format.
    """

    exact = True
    embedding: Tensor
    embedding_step: Tensor
    head: Tensor
    head_step: Tensor
    norm: Tensor

    def __init__(
        self,
        config: MambaConfig,
        blocks: Iterable[QuambaBlock],
        embedding: tuple[Tensor, Fraction | None],
        head: tuple[Tensor, Fraction | None],
        norm: Tensor,
        *,
        batch: int = 1,
        compiled: bool | None = None,
    ) -> None:
        super().__init__(batch=batch, vocab_size=len(head[0]), device=norm.device, compiled=compiled)
        self.config = config
        matrix, step = fused_ops.stored(*embedding)
        self.register_buffer("embedding", matrix)
        self.register_buffer("embedding_step", step.to(norm.device))
        if not (embedding[1] == head[1] and torch.equal(embedding[0], head[0])):
            matrix, step = fused_ops.stored(*head)
        self.register_buffer("head", matrix)  # the same memory if tied
        self.register_buffer("head_step", step.to(norm.device))
        self.register_buffer("norm", norm.detach())
        self.layers = nn.ModuleList(
            QuambaLayer(block, batch=batch, where=f"Layer {i}") for i, block in enumerate(blocks)
        )

    @classmethod
    def of(cls, model: QuambaMamba, *, batch: int = 1, compiled: bool | None = None) -> "QuambaDecoder":
        """The decoder of a quantized model, on its device; they share the int8 weights.

        Raises:
            InputError: for another model (quantize it first), or if x of a layer has no segmented format.
        """
        if not isinstance(model, QuambaMamba):
            raise InputTypeError(
                "Model must be a QuambaMamba, which QuambaMamba(model, calibrate_quamba(model, ids, tokens=N)) makes "
                f"of a Mamba-1, not {type(model).__name__}"
            )
        blocks: Any = model.layers
        return cls(
            model.config, blocks, (model.embedding, model.embedding_step), (model.head, model.head_step),
            model.norm_f.weight, batch=batch, compiled=compiled,
        )  # fmt: skip

    def states(self) -> list[Tensor]:
        """Per layer the window, int8 (b, d, width - 1), and the SSM state (b, d, n) as it is stored."""
        layers = cast(Iterable[QuambaLayer], self.layers)
        return [state for layer in layers for state in (layer.window, layer.state)]

    def step(self, ids: Tensor) -> Tensor:
        """Logits (b, vocab_size) after one more token (b,)."""
        residual = F.embedding(ids, self.embedding).float() * self.embedding_step
        for layer in self.layers:
            residual = layer(residual, self.fuse)
        logits: Tensor = self.fuse(fused_ops.head)(residual, self.norm, self.head, self.head_step, self.config.eps)
        return logits
