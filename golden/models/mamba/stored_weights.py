"""Int8 weights in a checkpoint's files: ``NAME.weight`` int8 (o, i, 1) and ``NAME.weight_scale`` float32 (o, 1).

The third axis makes a program that knows nothing of the scales refuse the checkpoint, by the shape, in place of taking
the codes for weights.

Shapes: outputs o, inputs i.
"""

import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from qse_hw.golden.errors import InputError

SCALE_SUFFIX = "_scale"
"""What follows a weight's name in its scale's."""
LARGEST = 127
"""The largest magnitude of a code."""
SCALE_BITS = 16
"""Significant bits of a scale, so that its products with codes are exact in float32."""


class Header(NamedTuple):
    """What a .safetensors file says of a tensor: its dtype, such as "F32" or "I8", and its shape."""

    dtype: str
    shape: tuple[int, ...]


def headers(files: Iterable[str | os.PathLike[str]]) -> dict[str, Header]:
    """The headers of all tensors in .safetensors files, whose values are not read.

    Raises:
        InputError: for a file that cannot be read.
    """
    found = {}
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - safe_open is not iterable
                    part = file.get_slice(name)
                    found[name] = Header(str(part.get_dtype()), tuple(part.get_shape()))
        except (OSError, SafetensorError) as error:
            raise unreadable(path, error) from error
    return found


def unreadable(path: str | os.PathLike[str], error: Exception) -> InputError:
    """What to raise for a file of weights that cannot be read."""
    return InputError(f"Weights {path} cannot be read: {error}; copy the file again")


def int8_weights(found: Mapping[str, Header], where: str) -> set[str]:
    """The names of the int8 weights; InputErrors begin with ``where``.

    Raises:
        InputError: for int8 weights without scales, scales without weights, and other dtypes or shapes of either.
    """
    weights = {name for name, header in found.items() if header.dtype == "I8"}
    weights |= {name.removesuffix(SCALE_SUFFIX) for name in found if name.endswith(f".weight{SCALE_SUFFIX}")}
    for name in sorted(weights):
        weight, scale = found.get(name), found.get(name + SCALE_SUFFIX)
        if weight is None or scale is None:
            lacking = name if weight is None else name + SCALE_SUFFIX
            raise InputError(f"{where} must have int8 weights with their scales, but lacks {lacking}; save it again")
        rows = weight.shape[:1]
        if weight.dtype != "I8" or len(weight.shape) != 3 or weight.shape[2:] != (1,) or scale != ("F32", (*rows, 1)):
            raise InputError(
                f"{where} must have int8 weights (o, i, 1) and float32 scales (o, 1), but {name} is {weight.dtype} "
                f"{weight.shape} and its scale {scale.dtype} {scale.shape}; save it again"
            )
    return weights


def check_values(name: str, codes: Tensor, scale: Tensor, where: str) -> None:
    """Refuse codes and scales that ``quantize_weights`` does not give; messages begin with ``where``.

    Raises:
        InputError: for a code below -127, and for a scale that is not positive and finite, or has more than 16
            significant bits.
    """
    if (codes < -LARGEST).any():
        raise InputError(
            f"{where} must have int8 weights from -{LARGEST} to {LARGEST}, but {name} has -128; save it again"
        )
    wrong = ~((scale > 0) & scale.isfinite() & (to_bits(scale) == scale))
    if wrong.any():
        raise InputError(
            f"{where} must have scales that are positive, finite and of {SCALE_BITS} significant bits, but that of "
            f"{name} has {float(scale[wrong][0])!r}; save it again"
        )


def to_bits(x: Tensor) -> Tensor:
    """float32 rounded to :data:`SCALE_BITS` significant bits."""
    mantissa, exponent = torch.frexp(x)
    one = float(1 << SCALE_BITS)
    return torch.ldexp((mantissa * one).round_() / one, exponent)


def encode(codes: Tensor) -> Tensor:
    """Codes (o, i) as files have them, (o, i, 1)."""
    return codes.unsqueeze(-1)


def decode(codes: Tensor, scale: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Products (o, i) of a file's codes (o, i, 1) and scales (o, 1), exact in float32, then rounded to ``dtype``."""
    return (codes.squeeze(-1).float() * scale).to(dtype)
