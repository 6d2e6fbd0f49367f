"""Mambas of ``transformers``, and hybrids with Mamba layers, a Mamba layer at a time.

A layer is called as its own model calls it: the model is run once with layers that only note their arguments. So what
a family gives its layers (masks, positions, multiplied embeddings) needs no copy here.

Shapes: batch b, length l, ``d_model`` m, channels d.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from qse_hw.golden.models.mamba.common import LayerTransform, Transform
from qse_hw.golden.models.mamba.families import Family, family_of, mamba_layers
from qse_hw.golden.models.mamba.mixers import norm_groups, tapped
from qse_hw.golden.models.mamba.model import Block, Config
from qse_hw.golden.models.mamba.weights import digest


@dataclass(frozen=True)
class _Sizes:
    """The part of a config that :mod:`qse_hw.golden.models.mamba.stream` reads."""

    architecture: str
    n_layer: int
    vocab_size: int
    d_inner: int
    norm_groups: int
    names: tuple[str, ...] = ("x",)


class _Call(NamedTuple):
    """How a model calls one of its layers."""

    residual: Tensor
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class HuggingFace:
    """A model of one of :data:`qse_hw.golden.models.mamba.families.FAMILIES`, as
    :class:`qse_hw.golden.models.mamba.stream.Layers`.

    Its layers are the Mamba layers alone, counted from 0; each is run with the layers of other kinds before it. The
    residual stream is (b, l, m), or (b, l, 2 m), with the embeddings beside it, where layers read these.

    The caller's transform sees x before the mixer's quantizer, if it has one.

    Raises:
        InputError: for a model without a Mamba layer, or a transformers that normalizes several groups as one.
    """

    def __init__(self, model: nn.Module, family: Family) -> None:
        self._model, self._family = model, family
        self._backbone = cast(Any, model).base_model
        numbers, self.mixers = zip(*mamba_layers(family, self._backbone.layers), strict=True)
        self.numbers: tuple[int, ...] = numbers
        """Which of the model's layers have the mixers."""
        sizes = _Sizes(
            family.architecture,
            len(self.mixers),
            self._backbone.get_input_embeddings().num_embeddings,
            self.mixers[0].intermediate_size,
            norm_groups(self.mixers[0]),
        )
        self.config = cast(Config, sizes)

    def left_alone(self) -> str:
        """A sentence about what is quantized of a hybrid; "" where all is Mamba."""
        if not self._family.hybrid:
            return ""
        whole, name = len(self._backbone.layers), type(self._model).__name__
        if whole == len(self.numbers):
            return f"All {whole} layers of this {name} have a Mamba mixer; attention and MLP are left alone"
        return (
            f"{len(self.numbers)} of the {whole} layers of this {name} have a Mamba mixer, here numbered from 0: the "
            f"model's layers {', '.join(map(str, self.numbers))}; attention and MLP are left alone"
        )

    def __call__(self, ids: Tensor, transform: Transform | None = None) -> Tensor:
        """Logits (b, l, vocabulary) for ids (b, l), of a model with a head; ``transform`` as our own model takes it."""
        with ExitStack() as taps:
            for layer, mixer in enumerate(self.mixers if transform is not None else ()):
                taps.enter_context(tapped(mixer, partial(cast(Transform, transform), layer)))
            logits: Tensor = self._model(ids.to(self._device), use_cache=False).logits
        return logits

    def embed(self, ids: Tensor) -> Tensor:
        """The residual stream before the first layer, for ids (b, l)."""
        embedded = self._calls(input_ids=ids.to(self._device))[0].residual
        return torch.cat((embedded, embedded), dim=-1) if self._family.reads_embeddings else embedded

    def block(self, layer: int) -> Block:
        """One layer; ``transform`` sees, and may replace, x (b, l, d)."""
        first = self.numbers[layer - 1] + 1 if layer else 0
        mixer, numbers = self.mixers[layer], range(first, self.numbers[layer] + 1)

        def run(residual: Tensor, *, transform: LayerTransform) -> Tensor:
            with tapped(mixer, transform):
                return self._run(numbers, residual)

        return cast(Block, run)

    def fingerprint(self) -> str:
        """The fingerprint of the weights, for a plain Mamba that of our own model; "" for a model without its head."""
        if self._model is self._backbone:
            return ""
        named = {
            name.replace("backbone.embeddings.", "backbone.embedding."): tensor
            for name, tensor in self._model.state_dict().items()
        }
        return digest(iter(sorted(named.items())))

    @property
    def _device(self) -> torch.device:
        return cast(torch.device, self._backbone.get_input_embeddings().weight.device)

    def _run(self, numbers: range, residual: Tensor) -> Tensor:
        embeddings = None
        if self._family.reads_embeddings:
            residual, embeddings = (half.contiguous() for half in residual.chunk(2, dim=-1))
            calls = self._calls(inputs_embeds=embeddings)
        else:  # the other arguments (masks, positions) depend on the shape of the ids alone
            calls = self._calls(input_ids=torch.zeros(residual.shape[:2], dtype=torch.long, device=self._device))
        for number in numbers:
            result = self._backbone.layers[number](residual, *calls[number].args, **calls[number].kwargs)
            residual = result[0] if self._family.returns else result
        return residual if embeddings is None else torch.cat((residual, embeddings), dim=-1)

    def _calls(self, **inputs: Tensor) -> list[_Call]:
        """How the model's own forward calls each of its layers, the residual stream being that before the first."""
        calls: list[_Call] = []

        def passing(residual: Tensor, *args: Any, **kwargs: Any) -> Any:
            calls.append(_Call(residual, args, kwargs))
            returns = self._family.returns
            return (residual, *[None] * (returns - 1)) if returns else residual

        with _forwards(self._backbone.layers, passing):
            self._backbone(**inputs, use_cache=False)
        return calls


@contextmanager
def _forwards(layers: nn.ModuleList, forward: Callable[..., Any]) -> Iterator[None]:
    """``forward`` in place of that of every layer."""
    own = [vars(layer).get("forward") for layer in layers]  # where something, such as accelerate, has replaced it
    try:
        for layer in layers:
            layer.forward = forward
        yield
    finally:
        for layer, replaced in zip(layers, own, strict=True):
            del layer.forward
            if replaced is not None:
                layer.forward = replaced


def hugging_face(model: nn.Module) -> HuggingFace | None:
    """``model`` as :class:`HuggingFace`, without loading transformers; None: it is of no family.

    Raises:
        InputError: as :class:`HuggingFace`.
    """
    family = family_of(model)
    return None if family is None else HuggingFace(model, family)
