"""Activations of any PyTorch model, written to a file that ``calibrate`` and ``eval --activations`` read."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from qse_hw.golden.checks import instance, integer, one_of, shown
from qse_hw.golden.errors import InputError
from qse_hw.golden.io.activations import write_activations

SIDES = ("output", "input")


def record_activations(
    path: str | os.PathLike[str],
    model: nn.Module,
    modules: Sequence[str],
    batches: Iterable[Any],
    *,
    side: str = "output",
    axis: int = -1,
    tokens: int | None = None,
) -> None:
    """Run a model, and write what comes out of some of its modules as ``layers.0.x``, ``layers.1.x`` and so on.

    The model runs without gradients, in the mode that it is in, and is left as it was. What is recorded stays in memory
    until it is written, in float32. The metadata tell which module each layer is.

    Args:
        path: the .safetensors file.
        model: any model.
        modules: names of modules, as ``model.named_modules()`` has them, in the layers' order.
        batches: for each run the model's argument: a tensor; a tuple of arguments; a dictionary of keyword arguments.
        side: "output": what a module returns (the first, if several), or "input": its first argument.
        axis: that of the channels, 1 for images (b, channels, h, w). All others become tokens.
        tokens: keep so many of each layer; None: all, of which each layer must then have as many.

    Raises:
        InputError: for an unknown module, one that does not run or has no floating-point tensor there, no batches,
            fewer tokens than asked for, values that are not finite, or a file that cannot be written.
    """
    instance(model, nn.Module, "Model", "a PyTorch module")
    one_of(side, SIDES, "Side")
    axis = integer(axis, "Axis")
    if tokens is not None and integer(tokens, "Tokens") < 1:
        raise InputError(f"Tokens must be at least 1, not {tokens}")
    names = _names(model, modules)
    rows: dict[str, list[np.ndarray]] = {name: [] for name in names}

    def keep(name: str, value: Any) -> None:
        have = sum(map(len, rows[name]))
        if tokens is None or have < tokens:
            rows[name].append(_matrix(name, value, axis)[: None if tokens is None else tokens - have])

    with ExitStack() as hooks, torch.no_grad():
        for name in names:
            hooks.callback(_hook(model.get_submodule(name), name, side, keep).remove)
        ran = False
        for batch in batches:
            _run(model, batch)
            ran = True
    if not ran:
        raise InputError("Batches must be at least one, not none")
    layers = {name: np.concatenate(_recorded(name, rows[name], tokens)) for name in names}
    write_activations(
        path,
        {f"layers.{number}.x": layer for number, layer in enumerate(layers.values())},
        {f"layers.{number}.x": f"{side} of {name}" for number, name in enumerate(names)},
    )


def _names(model: nn.Module, modules: Sequence[str]) -> list[str]:
    if isinstance(modules, str) or not isinstance(modules, Sequence) or not modules:
        raise InputError(f"Modules must be a list of names, not {shown(modules)}")
    known = dict(model.named_modules())
    for name in modules:
        if not isinstance(name, str) or name not in known:
            raise InputError(f"Module must be a name in model.named_modules(), not {shown(name)}")
    if len(set(modules)) < len(modules):
        raise InputError(f"Modules must be named once each, not as in {shown(list(modules))}")
    return list(modules)


def _hook(module: nn.Module, name: str, side: str, keep: Any) -> Any:
    def ran(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        keep(name, output if side == "output" else next(iter((*args, *kwargs.values())), None))

    return module.register_forward_hook(ran, with_kwargs=True)


def _matrix(name: str, value: Any, axis: int) -> np.ndarray:
    """(tokens, channels) float32; of several values the first."""
    while isinstance(value, tuple | list) and value:
        value = value[0]
    if not isinstance(value, Tensor) or not value.is_floating_point() or value.dim() == 0:
        raise InputError(f"Values of {name} must be a floating-point tensor, not {shown(value)}")
    if not -value.dim() <= axis < value.dim():
        raise InputError(f"Axis must be one of {name}'s {value.dim()} axes, not {axis}")
    last = value.detach().movedim(axis, -1)
    matrix: np.ndarray = last.reshape(-1, last.shape[-1]).to("cpu", torch.float32).numpy()
    return matrix.copy()  # the model may write into its tensors


def _run(model: nn.Module, batch: Any) -> None:
    if isinstance(batch, Mapping):
        model(**batch)
    elif isinstance(batch, tuple):
        model(*batch)
    else:
        model(batch)


def _recorded(name: str, rows: list[np.ndarray], tokens: int | None) -> list[np.ndarray]:
    count = sum(map(len, rows))
    if not rows:
        raise InputError(f"Module {name} must run when the model does, and did not")
    if tokens is not None and count < tokens:
        raise InputError(f"Tokens must be at most the {count} that {name} has in these batches, not {tokens}")
    if len({part.shape[1] for part in rows}) > 1:
        raise InputError(f"Values of {name} must have as many channels in every batch; give another axis")
    return rows
