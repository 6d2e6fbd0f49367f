"""Runs a model over the calibration text and records what every layer's tensors do.

With an objective beyond the tensors themselves, squared errors are weighted. Small rounding errors d change an output o
to first order by J d, so that the squared error of o is the sum of d**2 times the diagonal of J^T J, if the errors are
independent. The square of J^T r, where r has independent random signs, has that diagonal as its mean. So one
backward pass per sequence weights every element of every tensor.

What is to be kept is either a layer's output ("output"), or the model's distribution ("loss"). KL(p || q) of logits
with errors e is e^T (diag(p) - p p^T) e / 2 to second order, and (I - p 1^T)(sqrt(p) r) has that matrix as its
covariance: its mean square is twice the divergence. This is the diagonal of the Fisher information, in place of the
Hessian's in LeCun, Denker and Solla, "Optimal Brain Damage", 1989.

Shapes: batch b, length l, ``d_model`` m, vocabulary v.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from qse_hw.golden.models.integer.observe import Seen
from qse_hw.golden.models.integer.options import Objective
from qse_hw.golden.models.integer.simulation import run_layer
from qse_hw.golden.models.mamba.model import Mamba

_SEQUENCES = 8  # run at a time
_STATES = 1 << 25  # of all time steps of a layer, held for the backward pass
_SEED = 1


def record(
    model: Mamba,
    text: Tensor,
    kept: Collection[str],
    objective: Objective,
    plain: Mapping[int, Collection[str]] | None = None,
) -> Iterator[tuple[int, Seen]]:
    """Every layer's number and record, one at a time; the number n_layer has norm_f and the logits.

    Args:
        model: transformed.
        text: ids (b, l).
        kept: names of the tensors whose values are kept.
        objective: what weights the squared errors; "x": nothing does, and layers come first to last. With others,
            they come last to first.
        plain: names of the tensors whose errors are not weighted all the same, by number.
    """
    if objective == "x":
        return _forward(model, text, kept)
    return _backward(model, text, kept, objective, plain or {})


def _forward(model: Mamba, text: Tensor, kept: Collection[str]) -> Iterator[tuple[int, Seen]]:
    with torch.no_grad():
        residual = model.backbone.embedding(text)
    for number, block in enumerate(model.blocks):
        seen = Seen(number, kept)
        with torch.no_grad():
            residual = torch.cat([run_layer(block, part, seen) for part in torch.split(residual, _SEQUENCES)])
        yield number, seen
    last = Seen(None, ("norm_f",))
    with torch.no_grad():
        for part in torch.split(residual, _SEQUENCES):
            _logits(model, part, last)
    yield len(model.blocks), last


def _backward(
    model: Mamba, text: Tensor, kept: Collection[str], objective: Objective, plain: Mapping[int, Collection[str]]
) -> Iterator[tuple[int, Seen]]:
    batch = _batch(model, text.shape[1])
    with torch.no_grad():
        residuals = [model.backbone.embedding(text)]
        for number, block in enumerate(model.blocks):
            checked = Seen(number, ())
            residuals.append(torch.cat([run_layer(block, part, checked) for part in torch.split(residuals[-1], batch)]))
    draw = torch.Generator().manual_seed(_SEED)
    end = len(model.blocks)
    last, gradients = Seen(None, ("norm_f",), plain.get(end, ())), cast(list[Tensor], [])
    for part in torch.split(residuals.pop(), batch):
        leaf, logits = _through(lambda x: _logits(model, x, last), part)
        pull = _signs(logits, draw)
        if objective == "loss":
            p = logits.detach().softmax(-1)
            pull = p.sqrt() * pull
            pull -= p * pull.sum(-1, keepdim=True)
        torch.autograd.backward(logits, pull)
        last.keep_gradients()
        gradients.append(cast(Tensor, leaf.grad))
    yield end, last
    for number, block in reversed([*enumerate(model.blocks)]):
        seen = Seen(number, kept, plain.get(number, ()))
        for place, part in enumerate(torch.split(residuals.pop(), batch)):
            leaf, output = _through(lambda x, block=block, seen=seen: run_layer(block, x, seen), part)
            torch.autograd.backward(output, gradients[place] if objective == "loss" else _signs(output, draw))
            seen.keep_gradients()
            gradients[place] = cast(Tensor, leaf.grad)
        yield number, seen


def _through(function: Any, residual: Tensor) -> tuple[Tensor, Tensor]:
    """A leaf with the residual's values, and the function of it."""
    leaf = residual.detach().requires_grad_()
    with torch.enable_grad():
        return leaf, function(leaf)


def _logits(model: Mamba, residual: Tensor, see: Seen) -> Tensor:
    hidden = see("norm_f", F.rms_norm(residual, residual.shape[-1:], eps=model.config.eps))
    return see("logits", F.linear(hidden, model.lm_head.weight))


def _signs(like: Tensor, draw: torch.Generator) -> Tensor:
    return torch.randint(0, 2, like.shape, generator=draw).to(like) * 2 - 1


def _batch(model: Mamba, length: int) -> int:
    """Sequences at a time: few enough that the states of all time steps can be held."""
    config = model.config
    return max(1, min(_SEQUENCES, _STATES // (length * config.d_inner * config.d_state)))
