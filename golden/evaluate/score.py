"""Models against the unquantized one on the same text: KL divergence and negative log likelihood, by window.

One pass: of a batch of windows the unquantized model's probabilities are held while every candidate is compared with
them; sums by window are all that is kept.
Shapes: windows w, length l, vocabulary v.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from qse_hw.golden.errors import InputError

WINDOW = 512
"""Tokens, each window from an empty state."""

Forward = Callable[[Tensor], Tensor]
"""Ids (b, l) -> logits (b, l, v)."""

Sums = npt.NDArray[np.float64]

_LOGITS = 1 << 26  # of one model that are held at once
_ROW_VALUES = 1 << 22  # of one float64 temporary
_BATCH = 8


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Sums over the tokens of a window, in nats, each (w,) float64.

    Attributes:
        predictions: tokens of a window that are predicted: all but the first.
        nll: negative log likelihood of the unquantized model.
        candidate_nll: of every candidate.
        kl: KL(P_unquantized || P_candidate) over the whole vocabulary, at the places where those tokens are predicted.
    """

    predictions: int
    nll: Sums
    candidate_nll: dict[str, Sums]
    kl: dict[str, Sums]


def cut(ids: Tensor, tokens: int, length: int = WINDOW) -> Tensor:
    """The first ``tokens`` of the ids (count,), or all if there are fewer, as whole windows (w, length).

    Raises:
        InputError: if not even one window is there.
    """
    if length < 2:
        raise InputError(f"A window must have at least 2 tokens, one to predict the other, not {length}")
    if tokens < length:
        raise InputError(f"Tokens must be at least one window of {length}, not {tokens}")
    windows = min(tokens, len(ids)) // length
    if windows == 0:
        raise InputError(
            f"Text shorter than one window: it must have at least {length} tokens, not {len(ids)}; give a longer text"
        )
    return ids[: windows * length].view(windows, length)


@torch.no_grad()
def score(
    reference: Forward,
    candidates: Mapping[str, Forward],
    windows: Tensor,
    *,
    vocab_size: int,
    progress: Callable[[float], None] | None = None,
) -> Scores:
    """Run the unquantized model and every candidate on ids (w, l) of a vocabulary of that size.

    Raises:
        InputError: when a model (named) gives logits that are not finite.
    """
    nll: list[Tensor] = []
    candidate_nll: dict[str, list[Tensor]] = {name: [] for name in candidates}
    kl: dict[str, list[Tensor]] = {name: [] for name in candidates}
    batch = max(1, min(_BATCH, _LOGITS // (windows.shape[1] * vocab_size)))
    runs, done = 1 + len(candidates), 0
    for ids in torch.split(windows, batch):
        logits = _checked(reference, ids, "The unquantized model")
        wanted = ids[:, 1:].to(logits.device)
        sure = F.log_softmax(logits[:, :-1].double(), dim=-1)
        del logits
        nll.append(-_picked(sure, wanted).sum(1).cpu())
        for number, (name, forward) in enumerate(candidates.items(), 1):
            if progress is not None:
                progress((done + len(ids) * number / runs) / len(windows))
            own = _checked(forward, ids, f"Model with {name}")[:, :-1]
            losses, divergences = _compare(sure, own, wanted)
            candidate_nll[name].append(losses.sum(1).cpu())
            kl[name].append(divergences.sum(1).cpu())
        done += len(ids)
    return Scores(
        predictions=windows.shape[1] - 1,
        nll=torch.cat(nll).numpy(),
        candidate_nll={name: torch.cat(parts).numpy() for name, parts in candidate_nll.items()},
        kl={name: torch.cat(parts).numpy() for name, parts in kl.items()},
    )


def _compare(sure: Tensor, logits: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Negative log likelihood and KL divergence (b, l) of each place; ``sure`` (b, l, v) log P of the unquantized."""
    step = max(1, _ROW_VALUES // sure.shape[-1])
    losses, divergences = [], []
    flat = (sure.flatten(0, 1), logits.flatten(0, 1), wanted.flatten())
    rows = zip(*(torch.split(tensor, step) for tensor in flat), strict=True)
    for p, part, ids in rows:
        q = F.log_softmax(part.double(), dim=-1)
        losses.append(-_picked(q, ids))
        divergences.append((p.exp() * (p - q)).sum(-1))
    return torch.cat(losses).view_as(wanted), torch.cat(divergences).view_as(wanted)


def _picked(log_probabilities: Tensor, ids: Tensor) -> Tensor:
    return log_probabilities.gather(-1, ids.unsqueeze(-1)).squeeze(-1)


def _checked(forward: Forward, ids: Tensor, who: str) -> Tensor:
    logits = forward(ids)
    if not bool(torch.isfinite(logits).all()):
        raise InputError(
            f"{who} must give finite logits, but has NaN or infinity; the checkpoint or a scale is unsound"
        )
    return logits
