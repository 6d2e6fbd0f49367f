"""qse_hw: from a Mamba checkpoint to verified RTL of its 8-bit soft-edge quantizer.

The public names. Importing this module loads neither PyTorch nor Amaranth; what takes long to load is loaded when used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import InputType, input_type
from qse_hw.golden.formats.presets import PRESETS, format_from_json, format_to_json, load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import Segment, SegmentedFormat
from qse_hw.golden.quantize.array import QuantizedArray, dequantize_integers, quantize_flags
from qse_hw.golden.quantize.dispatch import dequantize, fake_quantize, quantize
from qse_hw.rtl_gen.emit.unit import UNITS, UnitConfig, unit_class

if TYPE_CHECKING:
    from qse_hw.golden.calibration.calibrate import Layer, calibrate
    from qse_hw.golden.calibration.calibration import Calibration, read_calibration, write_calibration
    from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
    from qse_hw.golden.models.mamba.int8_weights import quantize_weights
    from qse_hw.golden.models.mamba.quantize import FakeQuantize, calibrate_model, quantize_model
    from qse_hw.golden.models.mamba.quantized_checkpoint import load_quantized, register_quantizer, save_quantized
    from qse_hw.golden.models.record import record_activations
    from qse_hw.golden.quantize import operators
    from qse_hw.golden.quantize.onnx_translations import onnx_translations

__all__ = [
    "PRESETS",
    "UNITS",
    "Calibration",
    "FakeQuantize",
    "InputError",
    "InputType",
    "Layer",
    "QuantizedArray",
    "Scale",
    "Segment",
    "SegmentedFormat",
    "SegmentedQuantizer",
    "UnitConfig",
    "calibrate",
    "calibrate_model",
    "dequantize",
    "dequantize_integers",
    "fake_quantize",
    "format_from_json",
    "format_to_json",
    "input_type",
    "load_format",
    "load_quantized",
    "onnx_translations",
    "operators",
    "quantize",
    "quantize_flags",
    "quantize_model",
    "quantize_weights",
    "read_calibration",
    "record_activations",
    "register_quantizer",
    "save_quantized",
    "unit_class",
    "write_calibration",
]

_LATER = {
    "Calibration": "qse_hw.golden.calibration.calibration",
    "FakeQuantize": "qse_hw.golden.models.mamba.quantize",
    "Layer": "qse_hw.golden.calibration.calibrate",
    "SegmentedQuantizer": "qse_hw.golden.calibration.quantizers",
    "calibrate": "qse_hw.golden.calibration.calibrate",
    "calibrate_model": "qse_hw.golden.models.mamba.quantize",
    "load_quantized": "qse_hw.golden.models.mamba.quantized_checkpoint",
    "onnx_translations": "qse_hw.golden.quantize.onnx_translations",
    "quantize_model": "qse_hw.golden.models.mamba.quantize",
    "quantize_weights": "qse_hw.golden.models.mamba.int8_weights",
    "read_calibration": "qse_hw.golden.calibration.calibration",
    "record_activations": "qse_hw.golden.models.record",
    "register_quantizer": "qse_hw.golden.models.mamba.quantized_checkpoint",
    "save_quantized": "qse_hw.golden.models.mamba.quantized_checkpoint",
    "write_calibration": "qse_hw.golden.calibration.calibration",
}


def __getattr__(name: str) -> Any:
    if name == "operators":
        return import_module("qse_hw.golden.quantize.operators")
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
