"""qse_hw: from a Mamba checkpoint to verified RTL of its 8-bit soft-edge quantiser.

The public names. Importing this module loads neither PyTorch nor Amaranth; what takes long to load is loaded when used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from golden.array import QuantisedArray, dequantise, dequantise_integers, quantise, quantise_flags
from golden.errors import InputError
from golden.formats import Segment, SegmentedFormat
from golden.inputs import InputType, input_type
from golden.presets import PRESETS, format_from_json, format_to_json, load_format
from golden.scale import Scale
from rtl_gen.unit import UNITS, UnitConfig, unit_class

if TYPE_CHECKING:
    from golden import operators
    from golden.calibrate import Layer, calibrate
    from golden.calibration import Calibration, read_calibration, write_calibration
    from golden.mamba.quantize import FakeQuantize, calibrate_model, quantize_model
    from golden.quantiser import Segmented

__all__ = [
    "PRESETS",
    "UNITS",
    "Calibration",
    "FakeQuantize",
    "InputError",
    "InputType",
    "Layer",
    "QuantisedArray",
    "Scale",
    "Segment",
    "Segmented",
    "SegmentedFormat",
    "UnitConfig",
    "calibrate",
    "calibrate_model",
    "dequantise",
    "dequantise_integers",
    "format_from_json",
    "format_to_json",
    "input_type",
    "load_format",
    "operators",
    "quantise",
    "quantise_flags",
    "quantize_model",
    "read_calibration",
    "unit_class",
    "write_calibration",
]

_LATER = {
    "Calibration": "golden.calibration",
    "FakeQuantize": "golden.mamba.quantize",
    "Layer": "golden.calibrate",
    "Segmented": "golden.quantiser",
    "calibrate": "golden.calibrate",
    "calibrate_model": "golden.mamba.quantize",
    "quantize_model": "golden.mamba.quantize",
    "read_calibration": "golden.calibration",
    "write_calibration": "golden.calibration",
}


def __getattr__(name: str) -> Any:
    if name == "operators":
        return import_module("golden.operators")
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
