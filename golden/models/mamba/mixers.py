"""Mixers of ``transformers``: a quantizer of x in each, seen or replaced by a transform.

A mixer's forward calls functions of its module; one of them, the convolution (with SiLU), returns x. A mixer that is
given a quantizer becomes an instance of a subclass. Its forward is a copy of the mixer's, in which the convolution also
quantizes and the fused kernel, which would hide x, is left out. So x_proj, the scan and the step with a cache all read
the quantized x, without hooks or global state, and ``torch.compile`` compiles it. Written for transformers 5.23; a
mixer that calls other functions is refused.

Shapes: batch b, length l, channels d.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CellType, FunctionType
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.common import LayerTransform
from qse_hw.golden.models.mamba.families import TRANSFORMERS, family_of_mixer

_CONVOLUTIONS = ("causal_conv1d_fn", "causal_conv1d_update")


@contextmanager
def tapped(mixer: nn.Module, transform: LayerTransform) -> Iterator[None]:
    """``transform`` sees, and may replace, the mixer's x (b, l, d)."""
    quantizer = getattr(mixer, "quantizer", None)
    put(mixer, _Tap(transform, quantizer))
    try:
        yield
    finally:
        put(mixer, quantizer)


@torch.no_grad()
def norm_groups(mixer: Any) -> int:
    """Groups of the mixer's gated norm, which it must normalize each by itself: so its weights have been trained.

    Seen by what the norm does: if the first group grows, the last must stay as it is.
    """
    groups, norm = getattr(mixer, "n_groups", 1), getattr(mixer, "norm", None)
    if groups == 1 or norm is None or isinstance(norm, nn.Identity):  # Falcon-H1 may have none
        return 1
    x = torch.ones((1, 2, mixer.intermediate_size), dtype=norm.weight.dtype, device=norm.weight.device)
    x[:, 1, : mixer.intermediate_size // groups] = 8
    last = norm.forward(x)[0, :, -(mixer.intermediate_size // groups) :]
    if not last.is_meta and not torch.equal(last[0], last[1]):
        version = sys.modules["transformers"].__version__
        raise InputError(
            f"transformers must normalize each of the {groups} groups of {type(mixer).__name__} by itself, as "
            f"{TRANSFORMERS} does, not all as one, as {version} does; install {TRANSFORMERS} or newer"
        )
    return int(groups)


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
    family = family_of_mixer(kind)
    fused = () if family.fused is None else (family.fused,)
    try:
        names: dict[str, Any] = {name: _then_quantizing(scope[name]) for name in _CONVOLUTIONS}
        names |= dict.fromkeys(fused, _not_fused)
        forward = _rebound(kind.forward, names, {*names, "activation"})
    except (KeyError, ValueError) as error:
        version = sys.modules["transformers"].__version__
        raise InputError(
            f"transformers must be one whose {kind.__name__}.forward calls {', '.join((*_CONVOLUTIONS, *fused))}, "
            f"as {TRANSFORMERS} does, not {version}; install that one"
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
