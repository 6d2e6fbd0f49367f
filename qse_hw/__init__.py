"""qse_hw: from a Mamba checkpoint to verified RTL of its 8-bit soft-edge quantiser.

The public names. Importing this module loads neither PyTorch nor Amaranth.
"""

from golden.array import QuantisedArray, dequantise, dequantise_integers, quantise, quantise_flags
from golden.errors import InputError
from golden.formats import Segment, SegmentedFormat
from golden.inputs import InputType, input_type
from golden.presets import PRESETS, format_from_json, format_to_json, load_format
from golden.scale import Scale
from rtl_gen.unit import UNITS, UnitConfig, unit_class

__all__ = [
    "PRESETS",
    "UNITS",
    "InputError",
    "InputType",
    "QuantisedArray",
    "Scale",
    "Segment",
    "SegmentedFormat",
    "UnitConfig",
    "dequantise",
    "dequantise_integers",
    "format_from_json",
    "format_to_json",
    "input_type",
    "load_format",
    "quantise",
    "quantise_flags",
    "unit_class",
]
