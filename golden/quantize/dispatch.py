"""quantize, dequantize and fake_quantize of NumPy arrays and PyTorch tensors: the package's public functions."""

import sys
from typing import Any

import numpy as np

from qse_hw.golden.checks import boolean
from qse_hw.golden.errors import InputTypeError
from qse_hw.golden.formats.scale import as_scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.quantize import array


def quantize(x: Any, format: SegmentedFormat, scale: Any, *, exponent: int = 0) -> Any:
    """Codes of x, a NumPy array or a PyTorch tensor of any shape.

    Args:
        x: floating point, or int8, int16, int32 as fixed point ``x * 2**exponent``.
        format: the format.
        scale: a :class:`qse_hw.golden.formats.scale.Scale`, or the step s as a number.
        exponent: the implied exponent of integers.

    Returns:
        Codes of x's shape: int8 for two's complement, else uint8; 16 bits wide for formats of more than 8 bits.

    Raises:
        InputError: naming the value and the rule.
    """
    if is_tensor(x):
        from qse_hw.golden.quantize import operators

        return operators.quantize(x, format, scale, exponent=exponent)
    return array.quantize(_array(x), format, as_scale(scale), exponent=exponent)


def dequantize(codes: Any, format: SegmentedFormat, scale: Any) -> Any:
    """Decoded values, float32, of codes as :func:`quantize` returns them."""
    if is_tensor(codes):
        from qse_hw.golden.quantize import operators

        return operators.dequantize(codes, format, scale)
    return array.dequantize(_array(codes), format, as_scale(scale))


def fake_quantize(x: Any, format: SegmentedFormat, scale: Any, *, nan_to_zero: bool = False) -> Any:
    """Values replaced by the decoded values of their codes; shape and dtype of x, which must be floating point.

    NaN stays NaN, or with ``nan_to_zero`` becomes 0, as in hardware. The gradient of a tensor is 1 where it does not
    saturate (straight-through), else 0.
    """
    boolean(nan_to_zero, "nan_to_zero")
    if is_tensor(x):
        from qse_hw.golden.quantize import operators

        return operators.fake_quantize(x, format, scale, nan_to_zero=nan_to_zero)
    return array.fake_quantize(_array(x), format, as_scale(scale), nan_to_zero=nan_to_zero)


def is_tensor(x: object) -> bool:
    """Whether ``x`` is a PyTorch tensor, without loading PyTorch."""
    torch = sys.modules.get("torch")  # a tensor exists only once PyTorch is loaded
    return torch is not None and isinstance(x, torch.Tensor)


def _array(x: object) -> np.ndarray[Any, Any]:
    if not isinstance(x, np.ndarray | np.generic):
        raise InputTypeError(f"Values must be a NumPy array or a PyTorch tensor, not {type(x).__name__}")
    return np.asarray(x)
