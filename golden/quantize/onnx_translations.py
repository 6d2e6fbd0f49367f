"""The quantizer in ONNX: how ``torch.onnx.export`` writes this package's operators, with the codebook as Gather.

ONNX's QuantizeLinear is affine, with one step for all codes, and cannot express a soft edge. Written instead is the
arithmetic of :mod:`qse_hw.golden.quantize.array` in standard operators: one exact float64 product gives the position of
a value, and Gather the code there (quantize) or its decoded value (fake_quantize). ONNX Runtime computes the same bits.

    torch.onnx.export(model, args, "model.onnx", dynamo=True, custom_translation_table=onnx_translations())
"""

import json
import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import torch

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.codes import code_dtype, to_bits
from qse_hw.golden.formats.presets import format_from_json
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.formats.tables import tables, value_table
from qse_hw.golden.quantize import operators  # noqa: F401 - registers torch.ops.qse_hw
from qse_hw.golden.quantize.array import position_factor

_Value = TypeVar("_Value")  # a value of the graph; by these annotations the exporter tells it from attributes
_FLOAT, _INT64, _DOUBLE = 1, 7, 11  # of ONNX's TensorProto.DataType


def onnx_translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """The ``custom_translation_table`` of ``torch.onnx.export`` for ``quantize``, ``dequantize`` and ``fake_quantize``.

    Inputs are float32, float16 or bfloat16, or for ``quantize`` int8, int16 or int32: the product of a float64 is not
    exact in float64. ``dequantize`` decodes a code that the format does not assign as 0.

    Raises:
        InputError: if onnxscript, which ``torch.onnx.export`` needs, is not installed.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError("ONNX export needs onnxscript, which is not installed: pip install 'qse-hw[onnx]'") from error
    ops = torch.ops.qse_hw
    return {ops.quantize.default: _quantize, ops.dequantize.default: _dequantize, ops.fake_quantize.default: _fake}


def _quantize(x: _Value, format: str, M: int, k: int, exponent: int = 0) -> _Value:
    op = _opset()
    spec = _format(format)
    codes = tables(spec).codes
    if codes.itemsize > 1:
        codes = codes.astype(np.int16)  # as PyTorch's codes
    return cast(_Value, op.Gather(_constant(codes), _rows(x, spec, _scale(M, k), exponent)))


def _dequantize(codes: _Value, format: str, M: int, k: int, dtype: int) -> _Value:
    op = _opset()
    spec = _format(format)
    values = value_table(spec, _scale(M, k))
    rows = op.Cast(codes, to=_INT64)
    if code_dtype(spec).kind == "i":  # from -2**(bits-1) on: the bit patterns in that order
        half = len(values) // 2
        values = np.concatenate((values[half:], values[:half]))
        rows = op.Add(rows, _constant(np.int64(half)))
    return cast(_Value, op.Cast(op.Gather(_constant(values), rows), to=int(dtype)))


def _fake(x: _Value, format: str, M: int, k: int, nan_to_zero: bool = False) -> _Value:
    op = _opset()
    spec, scale = _format(format), _scale(M, k)
    values = value_table(spec, scale)[to_bits(tables(spec).codes, spec)]
    decoded = op.Gather(_constant(values), _rows(x, spec, scale))
    if not nan_to_zero:
        decoded = op.Where(op.IsNaN(op.Cast(x, to=_FLOAT)), _constant(np.float32(math.nan)), decoded)
    return cast(_Value, op.CastLike(decoded, x))


def _rows(x: Any, format: SegmentedFormat, scale: Scale, exponent: int = 0) -> Any:
    """The rows of x in the tables of ``format``, int64."""
    op = _opset()
    if x.dtype == _DOUBLE:
        raise InputError("ONNX export takes x as float32, float16 or bfloat16, not float64; convert it before")
    table = tables(format)
    v = op.Mul(op.Cast(x, to=_DOUBLE), _constant(np.float64(position_factor(format, scale, exponent))))
    v = op.Where(op.IsNaN(v), _constant(np.float64(0)), v)  # the position of the zero code
    v = op.Clip(v, _constant(np.float64(table.low)), _constant(np.float64(table.high)))
    rows = op.Cast(v if format.signed else op.Floor(v), to=_INT64)  # truncates
    if table.sticky:
        rest = op.Sign(op.Sub(v, op.Cast(rows, to=_DOUBLE)))
        rows = op.Add(op.Add(rows, rows), op.Cast(rest, to=_INT64))
    return op.Sub(rows, _constant(np.int64(table.first)))


def _opset() -> Any:
    """Makes nodes; the exporter records them. Its types, which tell dtypes apart, are not used."""
    from onnxscript import opset18

    return opset18


def _constant(value: Any) -> Any:
    import onnx_ir

    return _opset().Constant(value=onnx_ir.tensor(np.asarray(value)))


def _format(text: str) -> SegmentedFormat:
    return format_from_json(json.loads(text))


def _scale(M: int, k: int) -> Scale:
    return Scale(M=M, k=k, bits=M.bit_length())
