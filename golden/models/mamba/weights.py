"""The weights of a checkpoint, found and checked at once, read one by one."""

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.layout import QUANTIZATION, check_method, read_config, read_json
from qse_hw.golden.models.mamba.model import weight_shapes
from qse_hw.golden.models.mamba.stored_weights import (
    SCALE_SUFFIX,
    Header,
    check_values,
    decode,
    int8_weights,
    unreadable,
)

_FILES = ("model.safetensors", "pytorch_model.bin")
LEARNED_STEP = ".quantizer.step"
"""How the name of a quantizer's learned step ends."""

_HEAD, _EMBEDDING = "lm_head.weight", "backbone.embedding.weight"
_FLOATING = {"F64", "F32", "F16", "BF16"}
_NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int8: "I8",
}  # fmt: skip
"""Dtypes as .safetensors files name them."""


class Weights:
    """The tensors of ``directory`` by their original names. Files in safetensors are mapped, not read, until asked.

    Args:
        directory: the checkpoint.
        quantized: whether it must be one that this package has quantized, or one that nobody has.

    Raises:
        InputError: when files, names, shapes or dtypes do not fit config.json, or it is (not) quantized; :meth:`get`,
            for a value not finite.
    """

    def __init__(self, directory: Path, *, quantized: bool = False) -> None:
        if not directory.is_dir():
            raise InputError(f"Checkpoint {directory} must be a folder with config.json and weights; it does not exist")
        self.directory = directory
        self.quantization = read_json(directory / "config.json").get(QUANTIZATION)
        """The item of config.json; None: not quantized."""

        self._check_quantized(quantized)
        self.config = read_config(directory)
        self._sources: dict[str, tuple[Any, str, Path]] = {}  # name: (open file or dictionary, name in it, file)
        for path in _files(directory):
            source, names = _open(path)
            for name in names:
                original = name.replace("backbone.embeddings.", "backbone.embedding.")
                self._sources[original] = source, name, path
        self.scales: dict[str, Tensor] = {}
        """Of int8 weights, by their names: float32 (outputs, 1)."""

        if quantized:
            headers = {name: self._header(name) for name in self._sources}
            for name in int8_weights(headers, f"Checkpoint {directory}"):
                self.scales[name] = self._raw(name + SCALE_SUFFIX)
                del self._sources[name + SCALE_SUFFIX]
        self._check()

    def get(self, name: str) -> Tensor:
        """A weight, float32; of int8 weights the products with their scale."""
        raw = self._raw(name)
        if name in self.scales:
            check_values(name, raw, self.scales[name], f"Checkpoint {self.directory}")
            return decode(raw, self.scales[name])
        tensor: Tensor = raw.float()
        if not tensor.isfinite().all():
            raise InputError(f"{name} of {self.directory} must be finite, but has NaN or infinity")
        return tensor

    def layer(self, layer: int) -> dict[str, Tensor]:
        """The weights of one block, by their names in it."""
        prefix = f"backbone.layers.{layer}."
        return {name.removeprefix(prefix): self.get(name) for name in self._sources if name.startswith(prefix)}

    def all(self) -> Iterator[tuple[str, Tensor]]:
        """Every name and weight in the order of the names; a tied head is left out."""
        for name in sorted(self._sources):
            yield name, self.get(name)

    def fingerprint(self) -> str:
        """That of the model with these weights, reading one at a time."""
        names = sorted(self._sources.keys() | {_HEAD})
        return digest((name, self.get(name if name in self._sources else _EMBEDDING)) for name in names)

    def _raw(self, name: str) -> Tensor:
        source, stored, path = self._sources[name]
        if isinstance(source, dict):
            tensor: Tensor = source[stored]
            return tensor
        try:
            mapped: Tensor = source.get_tensor(stored)
        except (OSError, SafetensorError) as error:
            raise unreadable(path, error) from error
        return mapped

    def _header(self, name: str) -> Header:
        """Dtype and shape, for which a mapped file is not read."""
        source, stored, _ = self._sources[name]
        if isinstance(source, dict):
            tensor = source[stored]
            return Header(_NAMES.get(tensor.dtype, str(tensor.dtype)), tuple(tensor.shape))
        part = source.get_slice(stored)
        return Header(part.get_dtype(), tuple(part.get_shape()))

    def _check_quantized(self, quantized: bool) -> None:
        where = f"Checkpoint {self.directory}"
        if self.quantization is not None:
            check_method(self.quantization, where)
        if quantized and self.quantization is None:
            raise InputError(f"{where} must be quantized, as save_quantized leaves it, and is not; give one that is")
        if not quantized and self.quantization is not None:
            raise InputError(
                f"{where} must have floating-point weights and activations, but is quantized; load it with "
                "qse_hw.load_quantized, or give the checkpoint that it was made from"
            )

    def _check(self) -> None:
        """Names, shapes and dtypes; a tied lm_head, where stored, is compared and dropped."""
        names, directory, config = self._sources.keys(), self.directory, self.config
        layers = {name.split(".")[2] for name in names if name.startswith("backbone.layers.")}
        if len(layers) != config.n_layer:  # first, so that a false count costs no time
            raise InputError(
                f"Checkpoint {directory} must have the {config.n_layer} layers of config.json, not {len(layers)}"
            )
        if config.tie_embeddings and _HEAD in names and _EMBEDDING in names:
            if not torch.equal(self._raw(_HEAD), self._raw(_EMBEDDING)):
                raise InputError(f"lm_head.weight of {directory} must equal the tied embedding, and does not")
            del self._sources[_HEAD]
        expected = weight_shapes(config)
        missing, surplus = expected.keys() - names, names - expected.keys()
        kind = "Mamba-1" if config.architecture == "mamba1" else "Mamba-2"
        for problem, wrong in (("lacks", missing), ("has the unexpected", surplus)):
            if wrong:
                more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
                raise InputError(
                    f"Checkpoint {directory} must have a {kind}'s tensors, but {problem} {min(wrong)}{more}"
                )
        for name in names:
            dtype, shape = self._header(name)
            if dtype.removeprefix("torch.").lower().startswith(("f8", "float8")):
                raise InputError(
                    f"{name} of {directory} must be float16, bfloat16 or float32, but is float8, which has no meaning "
                    "without the scales of the program that wrote it; give the checkpoint that it was made from"
                )
            stored = (*expected[name], 1) if name in self.scales else expected[name]
            if shape != stored:
                raise InputError(f"{name} of {directory} must have shape {stored}, not {shape}")
            if dtype not in _FLOATING and name not in self.scales:
                raise InputError(f"{name} of {directory} must be floating point, not {self._raw(name).dtype}")


def digest(weights: Iterator[tuple[str, Tensor]]) -> str:
    """SHA-256 (hex) of the names, shapes and float32 bytes of weights; steps that quantizers learn are none."""
    value = hashlib.sha256()
    for name, tensor in weights:
        if name.endswith(LEARNED_STEP):
            continue
        value.update(f"{name} {tuple(tensor.shape)}".encode())
        value.update(tensor.detach().float().cpu().contiguous().numpy().data)
    return value.hexdigest()


def _files(directory: Path) -> list[Path]:
    for name in _FILES:
        if (directory / name).is_file():
            return [directory / name]
        index = directory / f"{name}.index.json"
        if index.is_file():
            table = read_json(index).get("weight_map")
            if not isinstance(table, dict) or not all(isinstance(f, str) and Path(f).name == f for f in table.values()):
                raise InputError(
                    f"{index} must have a weight_map from tensors to file names in the same folder, and has not"
                )
            return [directory / file for file in sorted(set(table.values()))]
    raise InputError(f"Checkpoint {directory} must hold {' or '.join(_FILES)}, and does not")


def _open(path: Path) -> tuple[Any, list[str]]:
    """Something that holds tensors (a mapped file, or a dictionary), and their names."""
    try:
        if path.suffix == ".safetensors":
            mapped = safe_open(path, framework="pt")
            names: list[str] = mapped.keys()  # type: ignore[no-untyped-call]
            return mapped, names
        with warnings.catch_warnings():  # torch wonders about pickles of other protocols, then reads or refuses them
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"Checkpoint {path.parent} must hold {path.name}, and does not") from error
    except (OSError, SafetensorError) as error:
        raise unreadable(path, error) from error
    except Exception as error:  # torch.load raises nearly anything on a damaged or hostile file
        raise InputError(
            f"Weights {path} must be a complete PyTorch file of plain tensors, and are not; copy the file again"
        ) from error
    if isinstance(content, dict) and all(isinstance(k, str) and isinstance(t, Tensor) for k, t in content.items()):
        return content, list(content)
    raise InputError(f"Weights {path} must be a dictionary of tensors, and are not")
