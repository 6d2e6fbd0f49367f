"""Calibrates the static scales of a quantized Mamba-1 in one pass of the unquantized model over a text."""

from collections.abc import Callable, Iterator
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from qse_hw.golden.calibration.percentile import ALPHA, SEQUENCE, check_alpha
from qse_hw.golden.checks import instance, integer
from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.checkpoint import fingerprint
from qse_hw.golden.models.mamba.common import Kernels
from qse_hw.golden.models.mamba.model import PLAIN, Block, Mamba, MambaConfig, Mixer
from qse_hw.golden.models.mamba.text import check_ids
from qse_hw.golden.models.quamba.calibration import TENSORS, LayerScales, QuambaCalibration
from qse_hw.golden.models.quamba.integer import HALF_MAX
from qse_hw.golden.models.quamba.observe import MinMax, Percentile
from qse_hw.golden.models.quamba.scan import selective_scan
from qse_hw.golden.reference.hadamard import factorize, transform_tensor

_SEQUENCES = 8  # at a time
_STATE_EVERY = 16  # every 16th state of a sequence is used: states have d_state times as many values as x

See = Callable[[str, Tensor], None]
Observers = dict[str, MinMax | Percentile]


@torch.no_grad()
def calibrate_quamba(
    model: Mamba,
    ids: Tensor,
    *,
    tokens: int,
    alpha: float = ALPHA,
    state_alpha: float = ALPHA,
    sequence: int = SEQUENCE,
    progress: Callable[[int], None] | None = None,
) -> QuambaCalibration:
    """The static scales of every layer.

    The text is cut into sequences that each start from an empty state; a last, shorter one is not used. Memory does not
    grow with the tokens.

    Args:
        model: Mamba-1, unquantized.
        ids: (count,).
        tokens: how many of them to use, at least one sequence; rounded down to whole sequences.
        alpha: quantile of |x|; alone it moves task scores by points, so sweep it.
        state_alpha: quantile of |state|, over every 16th time step.
        sequence: tokens per sequence.
        progress: called with the number of tokens done.

    Raises:
        InputError: for Mamba-2, a d_inner without a Hadamard matrix, too short a text, or a tensor (named with its
            layer) that is zero, not finite, or, if it is to be stored as float16, beyond its range.
    """
    instance(model, Mamba, "Model", "a Mamba of this package, as load_model gives it")
    config = model.config
    if not isinstance(config, MambaConfig):
        raise InputError("Model must be a Mamba-1, not a Mamba-2; use qse_hw.golden.models.quamba.calibrate_mamba2")
    factorize(config.d_inner)
    check_ids(ids, config.vocab_size)
    check_alpha(alpha)
    check_alpha(state_alpha)
    observers = [_observers(i, alpha, state_alpha) for i in range(config.n_layer)]
    done = 0
    for batch in batches(ids, tokens, sequence):
        residual = model.backbone.embedding(batch.to(model.backbone.embedding.weight.device))
        for block, observed in zip(model.blocks, observers, strict=True):
            residual = _see_layer(block, residual, model.kernels, observed)
        done += batch.numel()
        if progress is not None:
            progress(done)
    return QuambaCalibration(
        model=fingerprint(model),
        alpha=alpha,
        state_alpha=state_alpha,
        sequence=sequence,
        tokens=done,
        layers=tuple(_scales(observed) for observed in observers),
    )


@torch.no_grad()
def calibrate_layer(block: Block, residual: Tensor, *, layer: int = 0) -> tuple[LayerScales, Tensor]:
    """The scales of one layer of a Mamba-1 from one batch, and the residual stream (b, l, m) after it.

    For models that have one layer at a time in memory; quantiles are the defaults of :func:`calibrate_quamba`.

    Args:
        block: unquantized.
        residual: its input (b, l, m).
        layer: its number, for messages.

    Raises:
        InputError: for a tensor that is zero or not finite.
    """
    observed = _observers(layer, ALPHA, ALPHA)
    after = _see_layer(block, residual, PLAIN, observed)
    return _scales(observed), after


def _observers(layer: int, alpha: float, state_alpha: float) -> Observers:
    observers: Observers = {
        name: MinMax(f"Layer {layer}, {name}", HALF_MAX if name == "gated" else float("inf"))
        for name in ("norm", "xz", "x_proj", "dt", "gated", "y")
    }
    quantiles = {"x": alpha, "state": state_alpha}
    return observers | {name: Percentile(f"Layer {layer}, {name}", q) for name, q in quantiles.items()}


def _see_layer(block: Block, residual: Tensor, kernels: Kernels, observed: Observers) -> Tensor:
    """The residual stream (b, l, m) after a layer."""

    def see(name: str, x: Tensor) -> None:
        observed[name].see(x)

    normalized = F.rms_norm(residual, residual.shape[-1:], eps=block.norm.eps)
    see("norm", normalized)
    return residual + _mix(cast(Mixer, block.mixer), normalized * block.norm.weight, kernels, see)


def _scales(observed: Observers) -> LayerScales:
    return LayerScales(**{name: observed[name].scale() for name in TENSORS})


def batches(ids: Tensor, tokens: int, sequence: int) -> Iterator[Tensor]:
    """The text's whole sequences, a few (b, sequence) at a time.

    Raises:
        InputError: if there is not even one, or the text has fewer than ``tokens`` ids.
    """
    if integer(sequence, "Sequence") < 1:
        raise InputError(f"Sequence must be at least 1 token, not {sequence}")
    if integer(tokens, "Tokens") > len(ids):
        raise InputError(f"Tokens must be at most the text's {len(ids)}, not {tokens}; give a longer text")
    whole = tokens // sequence
    if whole < 1:
        raise InputError(
            f"Calibration tokens must be at least one sequence of {sequence}, not {tokens}; use a longer text"
        )
    yield from torch.split(ids[: whole * sequence].long().view(whole, sequence), _SEQUENCES)


def _mix(mixer: Mixer, hidden: Tensor, kernels: Kernels, see: See) -> Tensor:
    """The unquantized mixer, observed wherever the quantized one has a scale."""
    xz = mixer.in_proj(hidden)
    see("xz", xz)
    x, z = xz.chunk(2, dim=-1)
    x = kernels.conv_silu(x, mixer.conv1d.weight, cast(Tensor, mixer.conv1d.bias))
    see("x", x)
    projected = mixer.x_proj(x)
    see("x_proj", projected)
    dt, B, C = projected.split_with_sizes(mixer.split, dim=-1)
    dt = F.linear(dt, mixer.dt_proj.weight)
    see("dt", dt)
    states: list[Tensor] = []

    def observe(step: int, state: Tensor) -> None:
        if step % _STATE_EVERY == _STATE_EVERY - 1 or step == x.shape[1] - 1:
            states.append(state.clone())

    y = selective_scan(x, dt, -torch.exp(mixer.A_log), B, C, mixer.D, z, mixer.dt_proj.bias, observe=observe)
    see("state", torch.stack(states, dim=1))
    see("gated", y)
    see("y", transform_tensor(y, normalize=False))
    output: Tensor = mixer.out_proj(y)
    return output
