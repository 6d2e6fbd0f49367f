"""A model of one QuantizeLinear for ONNX Runtime, without the onnx package: the few protobuf fields that it needs.

Field numbers are those of onnx.proto3 (ONNX 1.17, IR version 10): ModelProto, GraphProto, NodeProto, ValueInfoProto.
"""

from functools import cache

import numpy as np
import onnxruntime

FLOAT, UINT8, INT8 = 1, 2, 3  # TensorProto.DataType
TYPES = {np.uint8: UINT8, np.int8: INT8}


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _value(name: str, element: int, dimensions: tuple[str, ...] = ()) -> bytes:
    shape = b"".join(_field(1, _field(2, dimension)) for dimension in dimensions)
    return _field(1, name) + _field(2, _field(1, _field(1, element) + _field(2, shape)))


def model(element: int) -> bytes:
    """x (n,) float32, scale and zero point (scalars) -> y (n,) of the element type."""
    node = b"".join(_field(1, name) for name in ("x", "scale", "zero")) + _field(2, "y") + _field(4, "QuantizeLinear")
    graph = _field(1, node) + _field(2, "quantize")
    graph += _field(11, _value("x", FLOAT, ("n",))) + _field(11, _value("scale", FLOAT))
    graph += _field(11, _value("zero", element)) + _field(12, _value("y", element, ("n",)))
    return _field(1, 10) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 21))


@cache
def _session(element: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model(element), options, providers=["CPUExecutionProvider"])


def quantize_linear(x: np.ndarray, scale: np.float32, zero: int, dtype: type) -> np.ndarray:
    """The codes of ONNX Runtime for x (n,) float32."""
    feed = {"x": x, "scale": np.array(scale), "zero": np.array(zero, dtype)}
    (codes,) = _session(TYPES[dtype]).run(None, feed)
    return codes
