"""Where activations come from: a file, a model run now, or the small file that ships with the package."""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from qse_hw import golden
from qse_hw.golden.calibration.calibrate import Layer
from qse_hw.golden.calibration.calibration import one_or_each, size_in_words
from qse_hw.golden.errors import InputError

TOKENS = 2048
TEXTS = Path(golden.__file__).parent / "assets" / "text"
BUNDLED_ACTIVATIONS = Path(golden.__file__).parent / "assets" / "activations.safetensors"


@dataclass(frozen=True, kw_only=True)
class Activations:
    """SSM inputs by name, ``layers.{i}.x`` (tokens, channels), and where they are from."""

    tensors: dict[str, np.ndarray[Any, Any]]
    metadata: dict[str, str]
    origin: str
    note: str = ""
    """What the model has beside its Mamba layers, in a sentence."""

    @property
    def model(self) -> str:
        """Fingerprint of the model, or ""."""
        return self.metadata.get("model", "")

    @property
    def norm_groups(self) -> int:
        """Groups of the model's gated norm; 1 if unknown."""
        groups = self.metadata.get("norm_groups", "1")
        return int(groups) if groups.isascii() and groups.isdigit() else 1

    @property
    def tokens(self) -> int:
        """Tokens per layer, equal in all layers."""
        return len(next(iter(self.tensors.values())))

    @property
    def channels(self) -> int | tuple[int, ...]:
        """Of every layer, or of each."""
        return one_or_each([x.shape[1] for x in self.tensors.values()], len(self.tensors))

    @property
    def size(self) -> str:
        """Layers, tokens and channels in words: ``6 layers of 2048 x 384``."""
        return f"{len(self.tensors)} layers of {self.tokens} x {size_in_words(self.channels)}"


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, text and length."""
    parser.add_argument(
        "--model", metavar="DIR",
        help="local checkpoint of a Mamba or of a hybrid of transformers, or mamba2-bytes (default: mamba-bytes)",
    )  # fmt: skip
    parser.add_argument("--text", metavar="FILE", help="text to run it on (default: the help texts of Python itself)")
    parser.add_argument("--tokens", metavar="N", type=integer, default=TOKENS, help=f"how many (default {TOKENS})")


def add_activation_arguments(parser: argparse.ArgumentParser) -> None:
    """A file of activations."""
    parser.add_argument(
        "--activations",
        metavar="FILE",
        help=f"from capture (default: {TOKENS} tokens of the bundled model, or without PyTorch the file that ships)",
    )


def from_model(args: argparse.Namespace) -> Activations:
    """Run the model that :func:`add_model_arguments`' arguments name."""
    from qse_hw.golden.models.mamba.capture import capture
    from qse_hw.golden.models.mamba.pretrained import load_any
    from qse_hw.golden.models.mamba.stream import layers_of
    from qse_hw.golden.models.mamba.text import read_text

    if args.tokens < 1:
        raise InputError(f"Tokens must be at least 1, not {args.tokens}")
    layers = layers_of(load_any(args.model))
    text = read_text(args.text, vocab_size=layers.config.vocab_size, directory=args.model)
    tensors = capture(layers, text.ids, tokens=args.tokens)
    metadata = {
        "model": layers.fingerprint(),
        "norm_groups": str(layers.config.norm_groups),
        "text_sha256": text.sha256,
        "text": text.source if args.text is None else Path(args.text).name,
        "tokens": str(args.tokens),
        "torch": version("torch"),
        "qse-hw": version("qse-hw"),
    }
    origin = f"{args.model or 'bundled model'} on {text.source}"
    return Activations(tensors=tensors, metadata=metadata, origin=origin, note=left_alone(layers))


def left_alone(model: object) -> str:
    """What a model has beside its Mamba layers, in a sentence; "" for one of Mamba layers alone."""
    from qse_hw.golden.models.mamba.hugging_face import HuggingFace

    return model.left_alone() if isinstance(model, HuggingFace) else ""


@dataclass(frozen=True, kw_only=True)
class LayerStream:
    """The layers of a model, one after another, for calibration; their count, the model's fingerprint and groups of its
    gated norm, the origin, and what else the model has.
    """

    layers: Iterable[Layer]
    count: int
    model: str
    norm_groups: int
    origin: str
    note: str = ""


def stream_model(args: argparse.Namespace, objective: str) -> LayerStream:
    """As :func:`from_model`, but a layer at a time; for objective "output", with the weights of errors there."""
    from qse_hw.golden.models.mamba.pretrained import is_relative, load_relative
    from qse_hw.golden.models.mamba.shapes import is_random
    from qse_hw.golden.models.mamba.stream import activations, open_layers
    from qse_hw.golden.models.mamba.text import read_text

    if args.tokens < 1:
        raise InputError(f"Tokens must be at least 1, not {args.tokens}")
    if is_random(args.model):  # any tokens do for random weights, so bytes
        model, text = open_layers(args.model), read_text(args.text)
    else:
        relative = is_relative(args.model)
        if relative and objective != "x":
            raise InputError(f"Objective must be x for {args.model}, which is run by transformers, not {objective}")
        model = load_relative(Path(args.model)) if relative else open_layers(args.model)
        text = read_text(args.text, vocab_size=model.config.vocab_size, directory=args.model)
    captured = activations(model, text.ids, tokens=args.tokens)
    return LayerStream(
        layers=_layers(captured, objective),
        count=model.config.n_layer,
        model=model.fingerprint(),
        norm_groups=model.config.norm_groups,
        origin=f"{args.model or 'bundled model'} on {text.source}",
        note=left_alone(model),
    )


def _layers(captured: Iterable[Any], objective: str) -> Iterator[Layer]:
    from qse_hw.golden.models.mamba.sensitivity import output_error, output_weights

    for _, tensors, block, residual in captured:
        x = tensors["x"]
        if objective == "x":
            yield Layer(x=x)
        else:
            yield Layer(
                x=x,
                weights=output_weights(block, residual)[: len(x)],
                output_error=partial(output_error, block, residual),
            )
        del tensors, block, residual, x  # before the next layer is read


def stream(activations: Activations) -> LayerStream:
    """The layers of activations that are in memory."""
    layers = [Layer(x=x) for x in activations.tensors.values()]
    return LayerStream(
        layers=layers,
        count=len(layers),
        model=activations.model,
        norm_groups=activations.norm_groups,
        origin=activations.origin,
    )


def from_file_or_default(path: str | None) -> Activations:
    """The file at ``path``; None: the bundled model's, captured now, or the bundled file where PyTorch is missing."""
    from qse_hw.golden.io.activations import read_activations

    if path is None and find_spec("torch") is not None:
        return from_model(argparse.Namespace(model=None, text=None, tokens=TOKENS))
    tensors, metadata = read_activations(BUNDLED_ACTIVATIONS if path is None else path)
    origin = "the file that ships with the package" if path is None else path
    return Activations(tensors=tensors, metadata=metadata, origin=origin)


def integer(text: str) -> int:
    """An integer argument; its range is checked by what it configures."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be an integer, not {text!r}") from None
