"""The effect of an error of x on the layer's output, through x_proj, the scan, the gate and out_proj.

For small errors e of x, the output moves by J e, J the Jacobian. Quantization errors of different values are nearly
uncorrelated, so the output's mean squared error is near ``sum_i |J[:, i]|**2 e_i**2``: a weighted squared error of x.
The weights are the mean of ``(J^T v)**2`` over random signs v (Hutchinson 1990), and are estimated from a few v.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from qse_hw.golden.calibration.quantizers import Quantizer
from qse_hw.golden.models.mamba.model import Block

PROBES = 2  # per sequence; values are then averaged over tokens and channels, thousands to a histogram's bin
SEED = 2601


def output_weights(
    block: Block, residual: Tensor, *, probes: int = PROBES, seed: int = SEED
) -> npt.NDArray[np.float32]:
    """How much the squared error of every value of x counts at the block's output.

    Args:
        block: the layer.
        residual: (sequences, length, d_model), its input.
        probes: random sign vectors per sequence.
        seed: of the signs.

    Returns:
        (sequences * length, d_inner).
    """
    generator = torch.Generator().manual_seed(seed)
    weights = []
    with torch.enable_grad():
        for sequence in residual:
            leaf: list[Tensor] = []

            def keep(name: str, value: Tensor, leaf: list[Tensor] = leaf) -> Tensor:
                if name != "x":
                    return value
                leaf.append(value.detach().requires_grad_())
                return leaf[0]

            output = block(sequence[None], transform=keep)
            weight = torch.zeros_like(leaf[0])
            for probe in range(probes):
                signs = torch.randint(0, 2, output.shape, generator=generator).to(output) * 2 - 1
                (gradient,) = torch.autograd.grad(output, leaf[0], signs, retain_graph=probe + 1 < probes)
                weight += gradient.square() / probes
            weights.append(weight[0].detach().cpu().numpy())
    return np.concatenate(weights)


@torch.inference_mode()
def output_error(block: Block, residual: Tensor, quantizers: Sequence[Quantizer]) -> list[float]:
    """Relative squared error of the block's output (before the residual is added) with x quantized by each quantizer.

    Args:
        block: the layer.
        residual: (sequences, length, d_model), its input.
        quantizers: of x, to compare.
    """
    power, errors = 0.0, [0.0] * len(quantizers)
    for sequence in residual:
        exact = block(sequence[None])
        power += float((exact - sequence).double().square().sum())
        for number, quantizer in enumerate(quantizers):

            def replace(name: str, value: Tensor, quantizer: Quantizer = quantizer) -> Tensor:
                return quantizer.tensor(value) if name == "x" else value

            moved = block(sequence[None], transform=replace)
            errors[number] += float((moved - exact).double().square().sum())
    return [error / power for error in errors]
