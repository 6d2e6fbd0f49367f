"""Mamba-2 as Quamba2 quantises what enters and leaves its SSM; everything else stays floating point.

Source: "Quamba2" (2025, arXiv 2503.22879). Quantised here: x, its channels sorted by their absolute maxima and cut into
groups with a scale each; B and C, INT8 with a scale for each SSD group; the gated norm's output y, Hadamard transform
then INT8; out_proj, 8-bit weights with the inverse transform folded in, float16 out.

Left out: 8-bit in_proj, convolution, dt, A and D with their split output scales, and the state. Grouping is by channel
alone, while the paper first clusters the heads of an SSD group and then the channels of each cluster. The sorting only
says which scale a channel has: no channel is moved, so the Hadamard transform sees y in the model's own order.
Shapes: batch b, length l, ``d_inner`` d, ``ngroups`` g, ``d_state`` n.
"""

import copy
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from golden.calibrate import ALPHA, SEQUENCE, check_alpha
from golden.errors import InputError
from golden.hadamard import factorise, transform_tensor
from golden.mamba.checkpoint import fingerprint
from golden.mamba.mamba2 import Mamba2Config, Mamba2Mixer
from golden.mamba.model import Mamba
from golden.presets import int8
from golden.quamba.calibrate import batches
from golden.quamba.calibration2 import Layer2Scales, Quamba2Calibration
from golden.quamba.layers import HadamardLinear
from golden.quamba.model import check_count
from golden.quamba.observe import MinMax, Percentile
from golden.quantiser import Quantiser

GROUPS = 16
"""Of x's channels; the paper's 4 clusters of heads times 4 of channels."""


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
    """The static scales of every layer, in two passes over the text: maxima, then quantiles of the groups they define.

    Args:
        model: Mamba-2, unquantised.
        ids: (count,), cut into sequences of ``sequence`` tokens as :func:`calibrate_quamba` does.
        tokens: how many of them to use, at least one sequence; rounded down to whole sequences.
        alpha: quantile of |x| in every group.
        sequence: tokens per sequence.
        groups: of x's channels, equal in size up to one channel.
        progress: called with the number of tokens done, which goes through ``tokens`` twice.

    Raises:
        InputError: for Mamba-1, more groups than channels, too short a text, or a tensor (named with its layer) that is
            zero or not finite.
    """
    config = _config(model)
    factorise(config.d_inner)
    check_alpha(alpha)
    if not 1 <= groups <= config.d_inner:
        raise InputError(f"Groups must be from 1 to the {config.d_inner} channels of x, not {groups}")
    layers = range(config.n_layer)
    peaks = torch.zeros(config.n_layer, config.d_inner)
    ssd = [
        {name: [MinMax(f"Layer {i}, {name} group {n}") for n in range(config.ngroups)] for name in ("B", "C")}
        for i in layers
    ]
    inputs = [MinMax(f"Layer {i}, x") for i in layers]
    outputs = [MinMax(f"Layer {i}, y") for i in layers]

    def see(layer: int, name: str, value: Tensor) -> Tensor:
        if name == "x":
            inputs[layer].see(value)  # so that NaN is found where it begins
            peaks[layer] = torch.maximum(peaks[layer], value.abs().amax((0, 1)).cpu())
        else:
            for observer, part in zip(ssd[layer][name], value.chunk(config.ngroups, dim=-1), strict=True):
                observer.see(part)
        return value

    hooks = [
        cast(Mamba2Mixer, block.mixer).out_proj.register_forward_pre_hook(
            lambda _, args, i=i: outputs[i].see(transform_tensor(args[0], normalise=False))
        )
        for i, block in enumerate(model.blocks)
    ]
    device, done = model.backbone.embedding.weight.device, 0
    try:
        for batch in batches(ids, tokens, sequence):
            model.features(batch.to(device), see)
            done += batch.numel()
            if progress is not None:
                progress(done)
    finally:
        for hook in hooks:
            hook.remove()

    members = [channel_groups(peak.numpy(), groups) for peak in peaks]
    observers = [[Percentile(f"Layer {i}, x group {n}", alpha) for n in range(groups)] for i in layers]
    channels = [[torch.from_numpy(np.flatnonzero(of == n)).to(device) for n in range(groups)] for of in members]

    def see_groups(layer: int, name: str, value: Tensor) -> Tensor:
        if name == "x":
            for observer, own in zip(observers[layer], channels[layer], strict=True):
                observer.see(value[..., own])
        return value

    again = 0
    for batch in batches(ids, tokens, sequence):
        model.features(batch.to(device), see_groups)
        again += batch.numel()
        if progress is not None:
            progress(again)
    return Quamba2Calibration(
        model=fingerprint(model),
        alpha=alpha,
        sequence=sequence,
        tokens=done,
        layers=tuple(
            Layer2Scales(
                groups=tuple(members[i].tolist()),
                x=tuple(observer.scale() for observer in observers[i]),
                B=tuple(observer.scale() for observer in ssd[i]["B"]),
                C=tuple(observer.scale() for observer in ssd[i]["C"]),
                y=outputs[i].scale(),
            )
            for i in layers
        ),
    )


def channel_groups(peaks: npt.NDArray[np.float32], groups: int) -> npt.NDArray[np.int64]:
    """The group (d) of every channel: sorted by ``peaks`` (d), ascending, and cut into ``groups`` equal runs."""
    order = np.argsort(peaks, kind="stable")
    found = np.empty(len(peaks), np.int64)
    for number, run in enumerate(np.array_split(order, groups)):
        found[run] = number
    return found


class QuambaMamba2(nn.Module):
    """A Mamba-2 whose SSM is quantised: ids (b, l) -> logits (b, l, vocab_size), float32.

    Args:
        model: the unquantised model; it is not changed.
        calibration: of that very model.
        x_quantisers: per layer, what x (b, l, d) becomes, e.g. ``Layer2Scales.x_quantiser`` of a format; None: INT8 at
            the groups' percentile scales.

    Raises:
        InputError: for a calibration of another checkpoint or a wrong number of quantisers.
    """

    def __init__(
        self, model: Mamba, calibration: Quamba2Calibration, x_quantisers: Sequence[Quantiser] | None = None
    ) -> None:
        super().__init__()
        config = _config(model)
        calibration.check(fingerprint(model), config.n_layer, config.d_inner, config.ngroups)
        if x_quantisers is None:
            x_quantisers = [layer.x_quantiser(int8()) for layer in calibration.layers]
        check_count(x_quantisers, config.n_layer)
        self.config = config
        self.quantisers: list[dict[str, Quantiser]] = [
            {"x": x} | {name: layer.state_quantiser(name, config.d_state) for name in ("B", "C")}
            for x, layer in zip(x_quantisers, calibration.layers, strict=True)
        ]
        self.model = copy.deepcopy(model)
        for i, (block, layer) in enumerate(zip(self.model.blocks, calibration.layers, strict=True)):
            mixer = cast(Mamba2Mixer, block.mixer)
            mixer.out_proj = HadamardLinear(mixer.out_proj.weight, layer.y, f"Layer {i}, out_proj")  # type: ignore[assignment]

    @torch.no_grad()
    def forward(self, ids: Tensor) -> Tensor:
        """Logits (b, l, vocab_size) of ids (b, l), every sequence from an empty state."""
        return cast(Tensor, self.model(ids, self._quantise))

    def _quantise(self, layer: int, name: str, value: Tensor) -> Tensor:
        return self.quantisers[layer][name].tensor(value)


def _config(model: Mamba) -> Mamba2Config:
    if not isinstance(model.config, Mamba2Config):
        raise InputError("Model must be a Mamba-2, not a Mamba-1; use golden.quamba.model")
    return model.config
