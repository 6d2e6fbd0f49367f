"""Mambas of ``transformers``: a quantizer of x in every mixer, and the model a layer at a time.

A mixer's forward calls functions of its module; one of them, the convolution (with SiLU), returns x. A mixer that is
given a quantizer becomes an instance of a subclass. Its forward is a copy of the mixer's, in which the convolution also
quantizes and the fused kernel, which would hide x, is left out. So x_proj, the scan and the step with a cache all read
the quantized x, without hooks or global state, and ``torch.compile`` compiles it. Written for transformers 5.23; a
mixer that calls other functions is refused.

Shapes: batch b, length l, channels d.
"""

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CellType, FunctionType
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.common import LayerTransform
from qse_hw.golden.models.mamba.model import Block, Config
from qse_hw.golden.models.mamba.weights import digest

_ARCHITECTURES = {"mamba": ("mamba1", "Mamba"), "mamba2": ("mamba2", "Mamba2")}  # package: ours, prefix of its classes
_CONVOLUTIONS = ("causal_conv1d_fn", "causal_conv1d_update")
_FUSED = {"mamba": "mamba_inner_fn", "mamba2": "mamba2_split_conv1d_scan_combined"}


@dataclass(frozen=True)
class _Sizes:
    """The part of a config that :mod:`qse_hw.golden.models.mamba.stream` reads."""

    architecture: str
    n_layer: int
    vocab_size: int
    d_inner: int
    names: tuple[str, ...] = ("x",)


class HuggingFace:
    """A ``MambaForCausalLM``, ``MambaModel`` or such of Mamba-2, as :class:`qse_hw.golden.models.mamba.stream.Layers`.

    The caller's transform sees x before the mixer's quantizer, if it has one.
    """

    def __init__(self, model: nn.Module) -> None:
        kind = next(kind for kind in _ARCHITECTURES if isinstance(model, _classes(kind)))
        self._model = model
        self._backbone = cast(Any, getattr(model, "backbone", model))
        sizes = _Sizes(
            _ARCHITECTURES[kind][0],
            len(self._backbone.layers),
            self._backbone.embeddings.num_embeddings,
            self._backbone.layers[0].mixer.intermediate_size,
        )
        self.config = cast(Config, sizes)

    @property
    def mixers(self) -> list[nn.Module]:
        """The mixers, first layer to last."""
        return [layer.mixer for layer in self._backbone.layers]

    def embed(self, ids: Tensor) -> Tensor:
        """The residual stream (b, l, m) before the first layer, in the dtype that it has after it."""
        embedded: Tensor = self._backbone.embeddings(ids.to(self._backbone.embeddings.weight.device))
        return embedded.float() if self._backbone.config.residual_in_fp32 else embedded

    def block(self, layer: int) -> Block:
        """One layer; ``transform`` sees, and may replace, x (b, l, d)."""
        block = self._backbone.layers[layer]

        def run(residual: Tensor, *, transform: LayerTransform) -> Tensor:
            quantizer = getattr(block.mixer, "quantizer", None)
            put(block.mixer, _Tap(transform, quantizer))
            try:
                return cast(Tensor, block(residual))
            finally:
                put(block.mixer, quantizer)

        return cast(Block, run)

    def fingerprint(self) -> str:
        """The fingerprint of the same weights in our own model; "" for a model without its head."""
        if self._model is self._backbone:
            return ""
        named = {
            name.replace("backbone.embeddings.", "backbone.embedding."): tensor
            for name, tensor in self._model.state_dict().items()
        }
        return digest(iter(sorted(named.items())))


def is_hugging_face(model: object) -> bool:
    """Whether :class:`HuggingFace` takes ``model``, without loading transformers."""
    return any(isinstance(model, _classes(kind)) for kind in _ARCHITECTURES)


def check_mixer(mixer: nn.Module) -> None:
    """InputError unless :func:`put` can give ``mixer`` a quantizer, and take it out."""
    if "forward" in vars(mixer):
        raise InputError(
            "Mixers must have their class's own forward, but something else (accelerate, kernels) has replaced it; "
            "quantize the model before"
        )
    _quantizing(_plain(mixer))


def put(mixer: nn.Module, quantizer: nn.Module | None) -> None:
    """Put ``quantizer``, which takes x (b, d, l), into the mixer; None: take it out."""
    plain = _plain(mixer)
    if quantizer is None:
        mixer.__class__ = plain
        if hasattr(mixer, "quantizer"):
            del mixer.quantizer
    else:
        mixer.quantizer = quantizer
        mixer.__class__ = _quantizing(plain)


class _Tap(nn.Module):
    """Shows x to a transform (b, l, d), then quantizes it as before."""

    def __init__(self, transform: LayerTransform, quantizer: nn.Module | None) -> None:
        super().__init__()
        self.transform, self.quantizer = transform, quantizer

    def forward(self, x: Tensor) -> Tensor:
        x = self.transform("x", x.transpose(1, 2)).transpose(1, 2)
        return x if self.quantizer is None else self.quantizer(x)


class _Activation(NamedTuple):
    """Passed to the convolution of a quantizing mixer in place of the activation's name."""

    name: str
    channels: int  # the first channels are those of x
    quantizer: nn.Module


def _then_quantizing(convolution: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def convolve(*args: Any, activation: _Activation, **kwargs: Any) -> Tensor:
        y = convolution(*args, activation=activation.name, **kwargs)
        x = activation.quantizer(y[:, : activation.channels])
        return x if y.shape[1] == activation.channels else torch.cat((x, y[:, activation.channels :]), dim=1)

    return convolve


def _not_fused(*args: Any, **kwargs: Any) -> None:
    """Returns None, as the fused kernels' placeholders do: the mixer then computes without them."""


@functools.cache
def _quantizing(kind: Any) -> type[nn.Module]:
    """The subclass of a mixer's class that quantizes."""
    scope = vars(sys.modules[kind.__module__])
    fused = _FUSED[kind.__module__.split(".")[-2]]
    try:
        names: dict[str, Any] = {name: _then_quantizing(scope[name]) for name in _CONVOLUTIONS}
        forward = _rebound(kind.forward, names | {fused: _not_fused}, {*_CONVOLUTIONS, fused, "activation"})
    except (KeyError, ValueError) as error:
        version = sys.modules["transformers"].__version__
        raise InputError(
            f"transformers must be one whose {kind.__name__}.forward calls {', '.join((*_CONVOLUTIONS, fused))}, "
            f"as 5.23 does, not {version}; install that one"
        ) from error

    def activation(self: nn.Module) -> _Activation:
        return _Activation(vars(self)["activation"], cast(int, self.intermediate_size), cast(nn.Module, self.quantizer))

    def reduce(self: nn.Module, protocol: int) -> tuple[Any, ...]:
        return _blank, (kind,), self.__getstate__()  # type: ignore[no-untyped-call]

    members = {"forward": forward, "activation": property(activation), "__reduce_ex__": reduce, "_plain": kind}
    return type(kind.__name__, (kind,), members | {"__module__": kind.__module__})


def _blank(kind: Any) -> nn.Module:
    """An empty mixer, which copying and unpickling then fill."""
    subclass = _quantizing(kind)
    blank: nn.Module = subclass.__new__(subclass)
    return blank


def _plain(mixer: nn.Module) -> Any:
    """The mixer's class in transformers."""
    return vars(type(mixer)).get("_plain", type(mixer))


def _rebound(function: Any, names: dict[str, Any], required: set[str]) -> FunctionType:
    """A copy of ``function``, and of what its decorators wrap, in which the global ``names`` have other values.

    Raises:
        ValueError: if it does not use all ``required`` names, or a decorator hides it.
    """
    inner, cells = getattr(function, "__wrapped__", None), function.__closure__
    if inner is None:
        if not required <= set(function.__code__.co_names):
            raise ValueError
        # without the name by which torch.compile would look up the module, and the old values in it
        scope = {key: value for key, value in function.__globals__.items() if key != "__name__"} | names
    else:
        scope = function.__globals__
        holds = [cell.cell_contents is inner for cell in cells or ()]
        if not any(holds):
            raise ValueError
        new = _rebound(inner, names, required)
        cells = tuple(CellType(new) if held else cell for held, cell in zip(holds, cells, strict=True))
    return FunctionType(function.__code__, scope, function.__name__, function.__defaults__, cells)


def _classes(kind: str) -> tuple[type, ...]:
    """The classes of transformers' package ``kind``, if it has been loaded."""
    module = sys.modules.get(f"transformers.models.{kind}.modeling_{kind}")
    prefix = _ARCHITECTURES[kind][1]
    return () if module is None else (getattr(module, f"{prefix}Model"), getattr(module, f"{prefix}ForCausalLM"))
