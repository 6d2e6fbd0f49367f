"""A model layer by layer, so that neither all weights nor all layers' activations are in memory at once.

Shapes: batch b, length l, ``d_model`` m.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.checkpoint import fingerprint, locate
from qse_hw.golden.models.mamba.initial import embedding, random_block
from qse_hw.golden.models.mamba.model import Block, Config, Mamba
from qse_hw.golden.models.mamba.shapes import RANDOM, is_random, shape
from qse_hw.golden.models.mamba.weights import Weights

_SEQUENCES = 8  # at a time: enough for two cores, little memory


class Layers(Protocol):
    """A model that is read a layer at a time."""

    @property
    def config(self) -> Config:
        """The sizes."""

    def embed(self, ids: Tensor) -> Tensor:
        """The residual stream (b, l, m) before the first layer, for ids (b, l)."""

    def block(self, layer: int) -> Block:
        """One layer in float32, in evaluation mode."""

    def fingerprint(self) -> str:
        """The fingerprint of the weights, SHA-256 (hex)."""


def open_layers(directory: Path | str | None = None) -> Layers:
    """The checkpoint as ``load_model`` loads and checks it, but each layer is read on demand.

    ``random:NAME`` is a model of a published shape (:mod:`qse_hw.golden.models.mamba.shapes`) with random weights.

    Raises:
        InputError: if the folder does not hold a sound checkpoint; a value that is not finite raises when it is read.
    """
    if is_random(directory):
        return random_layers(shape(str(directory).removeprefix(RANDOM)), seed=0)
    return _Stored(Weights(locate(directory)))


def layers_of(model: Mamba | Layers) -> Layers:
    """A model in memory; layers already are what they are."""
    return _InMemory(model) if isinstance(model, Mamba) else model


def random_layers(config: Config, seed: int) -> Layers:
    """The published initialization, computed per layer on demand, and determined by the seed.

    The fingerprint is that of config and seed, since computing all weights would take long.
    """
    return _Random(config, seed)


def activations(
    layers: Layers, ids: Tensor, *, tokens: int, batch_length: int = 512, names: Sequence[str] = ("x",)
) -> Iterator[tuple[int, dict[str, np.ndarray], Block, Tensor]]:
    """For each layer: its number, its SSM inputs by name, its block, and the residual stream that enters it.

    SSM inputs are float32 (tokens, channels), for the first ``tokens`` of ids (count,), cut into sequences of
    ``batch_length`` tokens (or ``tokens``, if fewer), each starting from an empty state. The residual stream is
    (sequences, length, m): flattened, its first ``tokens`` rows belong to the SSM inputs; the rest of the last sequence
    is padding (more text), on which they do not depend.

    Memory: the residual stream before and after the layer, one layer's weights and inputs, and whatever the caller
    keeps of earlier layers.

    Raises:
        InputError: when ``tokens`` or ``batch_length`` is not positive, there are fewer ids than ``tokens``, the
            architecture has no such name, or an activation is not finite.
    """
    if tokens < 1 or batch_length < 1:
        raise InputError(f"tokens and batch_length must be positive, not {tokens} and {batch_length}")
    if tokens > len(ids):
        raise InputError(f"tokens must be at most the text's {len(ids)}, not {tokens}; give a longer text")
    config = layers.config
    for name in names:
        if name not in config.names:
            raise InputError(f"SSM inputs of a {config.architecture} must be among {list(config.names)}, not {name!r}")
    return _activations(layers, ids, tokens, min(batch_length, tokens), names)


def _activations(
    layers: Layers, ids: Tensor, tokens: int, length: int, names: Sequence[str]
) -> Iterator[tuple[int, dict[str, np.ndarray], Block, Tensor]]:
    lacking = -tokens % length
    text = torch.cat((ids[:tokens], ids[:lacking]))  # padded with text, so that no unusual values arise
    with torch.no_grad():
        residual = layers.embed(text.view(-1, length))
    for layer in range(layers.config.n_layer):
        block = layers.block(layer)
        captured, following = _through(block, residual, tokens, names)
        for name, tensor in captured.items():
            if not np.isfinite(tensor).all():
                raise InputError(
                    f"{name} of layer {layer} must be finite, but has NaN or infinity; the checkpoint does not compute "
                    f"in float32"
                )
        yield layer, captured, block, residual
        del block, captured  # before the next layer is read
        residual = following


@torch.no_grad()  # not in the generator, where it would stay set for the caller between two layers
def _through(block: Block, residual: Tensor, tokens: int, names: Sequence[str]) -> tuple[dict[str, np.ndarray], Tensor]:
    """The block's SSM inputs (tokens, channels), and the residual stream after it."""
    following = torch.empty_like(residual)
    captured: dict[str, np.ndarray] = {}
    length = residual.shape[1]
    for start in range(0, len(residual), _SEQUENCES):
        batch = slice(start, start + _SEQUENCES)

        def keep(name: str, tensor: Tensor, first: int = start * length) -> Tensor:
            if name in names:
                rows = tensor.flatten(0, 1)[: tokens - first]
                whole = captured.setdefault(name, np.empty((tokens, rows.shape[1]), np.float32))
                whole[first : first + len(rows)] = rows.float().cpu().numpy()
            return tensor

        after = block(residual[batch], transform=keep)
        if after.dtype != following.dtype:  # of the first batch: a residual stream that is float32 from here on
            following = torch.empty_like(residual, dtype=after.dtype)
        following[batch] = after
    return {name: captured[name] for name in names}, following


class _Stored:
    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self.config = weights.config

    def embed(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, self._weights.get("backbone.embedding.weight"))

    def block(self, layer: int) -> Block:
        with torch.device("meta"):
            block = Block(self.config)
        block.load_state_dict(self._weights.layer(layer), assign=True)
        return block.eval().requires_grad_(False)

    def fingerprint(self) -> str:
        return self._weights.fingerprint()


class _InMemory:
    def __init__(self, model: Mamba) -> None:
        self._model = model
        self.config = model.config

    def embed(self, ids: Tensor) -> Tensor:
        table = self._model.backbone.embedding
        embedded: Tensor = table(ids.to(table.weight.device))
        return embedded

    def block(self, layer: int) -> Block:
        return self._model.blocks[layer]

    def fingerprint(self) -> str:
        return fingerprint(self._model)


class _Random:
    def __init__(self, config: Config, seed: int) -> None:
        self.config = config
        self._seed = seed

    def embed(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, embedding(self.config, self._seed))

    def block(self, layer: int) -> Block:
        return random_block(self.config, layer, self._seed)

    def fingerprint(self) -> str:
        return hashlib.sha256(f"random {self.config} {self._seed}".encode()).hexdigest()
