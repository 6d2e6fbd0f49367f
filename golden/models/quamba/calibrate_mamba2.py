"""Calibrates the static scales of a quantized Mamba-2 in two passes of the unquantized model over a text.

The first pass collects maxima: of the norm's output, the five parts of in_proj's output, B and C per SSD group, the
transformed y, and every channel of x. The latter sort the channels into groups, whose quantiles the second pass
averages.
"""

from collections.abc import Callable
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from qse_hw.golden.calibration.percentile import ALPHA, SEQUENCE, check_alpha
from qse_hw.golden.calibration.spec import GROUPS
from qse_hw.golden.checks import instance
from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.checkpoint import fingerprint
from qse_hw.golden.models.mamba.common import Transform
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config, Mamba2Mixer
from qse_hw.golden.models.mamba.model import Mamba
from qse_hw.golden.models.mamba.text import check_ids
from qse_hw.golden.models.quamba.calibrate import batches
from qse_hw.golden.models.quamba.calibration_mamba2 import Layer2Scales, Quamba2Calibration
from qse_hw.golden.models.quamba.observe import MinMax, Percentile
from qse_hw.golden.reference.hadamard import factorize, transform_tensor

IN_PROJ = ("z", "x_in", "B_in", "C_in", "dt")
"""The parts of in_proj's output, in order."""


class _Maxima:
    """The maxima of one layer in the first pass."""

    def __init__(self, layer: int, config: Mamba2Config) -> None:
        self.split = in_proj_split(config)
        self.eps, self.norm = config.eps, MinMax(f"Layer {layer}, norm")
        self.in_proj = {name: MinMax(f"Layer {layer}, {name}") for name in IN_PROJ}
        self.channels = torch.zeros(config.d_inner)
        self.x, self.y = MinMax(f"Layer {layer}, x"), MinMax(f"Layer {layer}, y")
        self.ssd = {
            name: [MinMax(f"Layer {layer}, {name} group {n}") for n in range(config.ngroups)] for name in ("B", "C")
        }

    def see(self, name: str, value: Tensor) -> None:
        """x, B or C (b, l, channels)."""
        if name == "x":
            self.x.see(value)  # so that an error names the first tensor with NaN
            self.channels = torch.maximum(self.channels, value.abs().amax((0, 1)).cpu())
            return
        for observer, part in zip(self.ssd[name], value.chunk(len(self.ssd[name]), dim=-1), strict=True):
            observer.see(part)

    def see_norm(self, _: object, inputs: tuple[Tensor, ...], __: Tensor) -> None:
        """A hook of the norm, whose weight is left out."""
        self.norm.see(F.rms_norm(inputs[0], inputs[0].shape[-1:], eps=self.eps))

    def see_in_proj(self, _: object, __: tuple[Tensor, ...], output: Tensor) -> None:
        """A hook of in_proj."""
        for observer, part in zip(self.in_proj.values(), output.split_with_sizes(self.split, dim=-1), strict=True):
            observer.see(part)

    def see_y(self, _: object, inputs: tuple[Tensor, ...]) -> None:
        """A hook before out_proj."""
        self.y.see(transform_tensor(inputs[0], normalize=False))


@torch.no_grad()
def calibrate_quamba2(
    model: Mamba,
    ids: Tensor,
    *,
    tokens: int,
    alpha: float = ALPHA,
    sequence: int = SEQUENCE,
    groups: int = GROUPS,
    progress: Callable[[int], None] | None = None,
) -> Quamba2Calibration:
    """The static scales of every layer. Memory does not grow with the tokens.

    Args:
        model: Mamba-2, unquantized.
        ids: (count,), cut into sequences of ``sequence`` tokens that each start from an empty state.
        tokens: how many of them to use, at least one sequence; rounded down to whole sequences.
        alpha: quantile of |x| in every group.
        sequence: tokens per sequence.
        groups: of x's channels, equal in size up to one channel.
        progress: called with the number of tokens done, twice up to ``tokens``.

    Raises:
        InputError: for Mamba-1, a d_inner without a Hadamard matrix, more groups than channels, too short a text, or a
            tensor (named with its layer) that is zero or not finite.
    """
    config = config_of(model)
    factorize(config.d_inner)
    check_ids(ids, config.vocab_size)
    check_alpha(alpha)
    if not 1 <= groups <= config.d_inner:
        raise InputError(f"Groups must be from 1 to the {config.d_inner} channels of x, not {groups}")

    def walk(see: Transform) -> int:
        done = 0
        for batch in batches(ids, tokens, sequence):
            model.features(batch.to(model.backbone.embedding.weight.device), see)
            done += batch.numel()
            if progress is not None:
                progress(done)
        return done

    maxima = [_Maxima(i, config) for i in range(config.n_layer)]

    def see_maxima(layer: int, name: str, value: Tensor) -> Tensor:
        maxima[layer].see(name, value)
        return value

    hooks = []
    for block, seen in zip(model.blocks, maxima, strict=True):
        mixer = cast(Mamba2Mixer, block.mixer)
        hooks += [
            block.norm.register_forward_hook(seen.see_norm),
            mixer.in_proj.register_forward_hook(seen.see_in_proj),
            mixer.out_proj.register_forward_pre_hook(seen.see_y),
        ]
    try:
        walk(see_maxima)
    finally:
        for hook in hooks:
            hook.remove()

    members = [channel_groups(seen.channels.numpy(), groups) for seen in maxima]
    quantiles = [[Percentile(f"Layer {i}, x group {n}", alpha) for n in range(groups)] for i in range(config.n_layer)]

    def see_quantiles(layer: int, name: str, value: Tensor) -> Tensor:
        if name == "x":
            for number, observer in enumerate(quantiles[layer]):
                observer.see(value[..., torch.from_numpy(members[layer] == number).to(value.device)])
        return value

    return Quamba2Calibration(
        model=fingerprint(model),
        alpha=alpha,
        sequence=sequence,
        tokens=walk(see_quantiles),
        layers=tuple(
            Layer2Scales(
                norm=seen.norm.scale(),
                **{name: observer.scale() for name, observer in seen.in_proj.items()},
                groups=tuple(of.tolist()),
                x=tuple(observer.scale() for observer in observers),
                B=tuple(observer.scale() for observer in seen.ssd["B"]),
                C=tuple(observer.scale() for observer in seen.ssd["C"]),
                y=seen.y.scale(),
            )
            for of, observers, seen in zip(members, quantiles, maxima, strict=True)
        ),
    )


def channel_groups(peaks: npt.NDArray[np.float32], groups: int) -> npt.NDArray[np.int64]:
    """The group (d) of every channel: sorted by ``peaks`` (d), ascending, and cut into ``groups`` equal runs."""
    order = np.argsort(peaks, kind="stable")
    of_channel = np.empty(len(peaks), np.int64)
    for number, run in enumerate(np.array_split(order, groups)):
        of_channel[run] = number
    return of_channel


def in_proj_split(config: Mamba2Config) -> list[int]:
    """The numbers of channels of :data:`IN_PROJ`."""
    state = config.ngroups * config.d_state
    return [config.d_inner, config.d_inner, state, state, config.n_heads]


def config_of(model: Mamba) -> Mamba2Config:
    """The sizes of a Mamba-2; InputError for a Mamba-1."""
    instance(model, Mamba, "Model", "a Mamba of this package, as load_model gives it")
    if not isinstance(model.config, Mamba2Config):
        raise InputError(
            "Model must be a Mamba-2, not a Mamba-1; use qse_hw.golden.models.quamba's modules calibrate and model"
        )
    return model.config
