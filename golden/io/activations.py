"""Files of activations: ``layers.{i}.x``, each (tokens, channels), in one .safetensors file. No PyTorch.

Layers are numbered from 0 and need not be a Mamba's. All have as many tokens; channels may differ.

The metadata (strings by name) tell their origin: model fingerprint, text, versions.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.document_kinds import refuse_our_json
from qse_hw.golden.io.files import replacing

_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}  # safetensors' names to NumPy's


def write_activations(
    path: str | os.PathLike[str], tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Write float32, float16 or bfloat16 (ml_dtypes) arrays ``layers.{i}.x`` (tokens, channels)."""
    _check_shapes({name: (array.shape, array.dtype.name) for name, array in tensors.items()}, "Activations")
    _check_finite(tensors, "Activations")
    with replacing(path) as part:
        contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
        save_file(contiguous, part, metadata=dict(metadata or {}))


def read_activations(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays by name, in the order of the layers, and the metadata.

    Float32 and float16 are returned as stored, bfloat16 as float32, since NumPy has no such type.

    Raises:
        InputError: when the file is damaged, or holds anything but what :func:`write_activations` writes.
    """
    path = Path(path)
    what = f"Activations {path}"
    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - safe_open is not iterable
            headers = {
                name: (tuple(part.get_shape()), _DTYPES.get(str(part.get_dtype()), str(part.get_dtype())))
                for name, part in slices.items()
            }
            names = _check_shapes(headers, what)
            stored = [name for name in names if headers[name][1] == "bfloat16"]
            wide = _bfloat16(path, stored) if stored else {}
            tensors = {name: wide[name] if name in wide else file.get_tensor(name) for name in names}
            metadata = dict(file.metadata() or {})
    except InputError:
        raise
    except (OSError, SafetensorError) as error:
        refuse_our_json(path, what, "activations", "a .safetensors file, as capture writes it")
        if _is_npy(path):
            raise InputError(
                f"{what} must be a .safetensors file, as capture writes it, not a .npy file; save the array with "
                f"safetensors.numpy.save_file({{'layers.0.x': array}}, FILE)"
            ) from error
        raise InputError(f"{what} cannot be read: {error}; capture them again") from error
    _check_finite(tensors, what)
    return tensors, metadata


def _bfloat16(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    """Tensors of a sound file, as float32: they are the upper halves of its bit patterns."""
    tensors = {}
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        for name in names:
            begin, end = header[name]["data_offsets"]
            file.seek(8 + size + begin)
            bits = np.frombuffer(file.read(end - begin), "<u2").reshape(header[name]["shape"])
            tensors[name] = (bits.astype(np.uint32) << 16).view(np.float32)
    return tensors


def _is_npy(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(6) == b"\x93NUMPY"
    except OSError:
        return False


def _check_shapes(headers: Mapping[str, tuple[tuple[int, ...], str]], what: str) -> list[str]:
    """The names in the order of the layers; InputError for wrong names, shapes or dtypes."""
    names = [f"layers.{i}.x" for i in range(len(headers))]
    if not headers:
        raise InputError(f"{what} must have at least one tensor, named layers.0.x, not none")
    if set(names) != set(headers):
        raise InputError(f"{what} must be named layers.0.x, layers.1.x and so on, not {sorted(headers)[:3]}")
    tokens = headers[names[0]][0][:1]
    for name in names:
        shape, dtype = headers[name]
        if 0 in shape:
            raise InputError(f"{what} must have at least one value in every tensor, but {name} has shape {shape}")
        if len(shape) != 2:
            raise InputError(f"{what} must have shape (tokens, channels), but {name} has {shape}")
        if shape[:1] != tokens:
            raise InputError(f"{what} must all have as many tokens as {names[0]}, {tokens[0]}, but {name} has {shape}")
        if dtype not in _DTYPES.values():
            scaled = dtype.lower().startswith(("f8", "float8"))
            remedy = "; multiply it by its scale, and save float32" if scaled else ""
            raise InputError(f"{what} must be float32, float16 or bfloat16, but {name} is {dtype}{remedy}")
    return names


def _check_finite(tensors: Mapping[str, np.ndarray], what: str) -> None:
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise InputError(f"{what} must be finite, but {name} has NaN or infinity")
