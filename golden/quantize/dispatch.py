"""The same three verbs on NumPy arrays and on PyTorch tensors: what the methods of a format do."""

import sys
from typing import Any

import numpy as np

from qse_hw.golden.errors import InputTypeError
from qse_hw.golden.formats.scale import as_scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.quantize import array


def quantize(x: Any, format: SegmentedFormat, scale: Any) -> Any:
    """Codes: :func:`qse_hw.golden.quantize.array.quantize` of an array,
    :func:`qse_hw.golden.quantize.operators.quantize` of a tensor.
    """
    if is_tensor(x):
        from qse_hw.golden.quantize import operators

        return operators.quantize(x, format, scale)
    return array.quantize(_array(x), format, as_scale(scale))


def dequantize(codes: Any, format: SegmentedFormat, scale: Any) -> Any:
    """Decoded values, float32."""
    if is_tensor(codes):
        from qse_hw.golden.quantize import operators

        return operators.dequantize(codes, format, scale)
    return array.dequantize(_array(codes), format, as_scale(scale))


def fake_quantize(x: Any, format: SegmentedFormat, scale: Any, *, nan_to_zero: bool = False) -> Any:
    """Values replaced by those that their codes stand for, of x's shape and dtype; NaN stays or becomes 0."""
    if is_tensor(x):
        from qse_hw.golden.quantize import operators

        return operators.fake_quantize(x, format, scale, nan_to_zero=nan_to_zero)
    return array.fake_quantize(_array(x), format, as_scale(scale), nan_to_zero=nan_to_zero)


def is_tensor(x: object) -> bool:
    """Whether ``x`` is a PyTorch tensor; PyTorch is not loaded to find out."""
    torch = sys.modules.get("torch")  # who has a tensor has loaded it
    return torch is not None and isinstance(x, torch.Tensor)


def _array(x: object) -> np.ndarray[Any, Any]:
    if not isinstance(x, np.ndarray | np.generic):
        raise InputTypeError(f"Values must be a NumPy array or a PyTorch tensor, not {type(x).__name__}")
    return np.asarray(x)
