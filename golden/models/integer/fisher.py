"""What the model's output feels of a small error of every value, by the diagonal of the Fisher information.

To second order, KL(P || P') is half of e^T F e for errors e of a tensor's values, F the Fisher information of the
output in them. Rounding errors of different values are nearly uncorrelated, so that KL is near half the sum of
F_ii e_i^2. F_ii is the mean square of the gradient of log P(token), the token drawn from P itself (Amari 1998).
"""

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from qse_hw.golden.models.integer.formats import LOCALS, OPERANDS
from qse_hw.golden.models.integer.simulation import run
from qse_hw.golden.models.mamba.model import Mamba

SEED = 2026
_FLOOR = 0.05  # of the mean: no value counts for less, as a gradient may be 0 by chance

Floats = npt.NDArray[np.float32]


def felt_errors(model: Mamba, text: Tensor) -> list[dict[str, Floats]]:
    """For every layer, and one more for "norm_f", what the squared errors of each tensor's values weigh.

    Args:
        model: transformed.
        text: ids (sequences, length).

    Returns:
        By name, float32 (sequences, length, channels), the mean of each being 1.
    """
    draw = torch.Generator().manual_seed(SEED)
    found: list[dict[str, list[Tensor]]] = [{} for _ in range(len(model.blocks) + 1)]
    with torch.enable_grad():
        for ids in text.split(1):
            leaves: list[tuple[int, str, Tensor]] = []

            def see(layer: int, name: str, value: Tensor, leaves: list[tuple[int, str, Tensor]] = leaves) -> Tensor:
                if name in (*OPERANDS, *LOCALS, "norm_f"):
                    value = value if value.requires_grad else value.detach().requires_grad_()
                    leaves.append((layer, name, value))
                return value

            likely = F.log_softmax(run(model, ids, see)[0], dim=-1)
            tokens = torch.multinomial(likely.detach().exp(), 1, generator=draw)
            gradients = torch.autograd.grad(likely.gather(1, tokens).sum(), [value for _, _, value in leaves])
            for (layer, name, _), gradient in zip(leaves, gradients, strict=True):
                found[layer].setdefault(name, []).append(gradient.square())
    return [{name: _weights(parts) for name, parts in layer.items()} for layer in found]


def _weights(parts: list[Tensor]) -> Floats:
    weights = torch.cat(parts)
    weights = weights / weights.mean() + _FLOOR
    found: Floats = (weights / weights.mean()).numpy()
    return found
