"""The ``quantization_config`` of a quantized checkpoint's config.json: every layer's format and scale, checked on load.

    {"quant_method": "qse_hw", "version": 1, "layers": [
      {"format": {...}, "scale": {"M": 62617, "k": 11, "bits": 16}, "nan_to_zero": false}, ...]}

A layer is one of the model's Mamba layers, in their order; null: its x is not quantized. Which weights are int8 stands
in the weights' file (:mod:`qse_hw.golden.models.mamba.stored_weights`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from torch import nn

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import format_from_json, format_to_json
from qse_hw.golden.formats.scale import SCALE_SCHEMA, scale_from_json
from qse_hw.golden.io.schema import check_schema
from qse_hw.golden.models.mamba.int8_weights import mixers
from qse_hw.golden.models.mamba.layout import METHOD, QUANTIZATION, check_method
from qse_hw.golden.models.mamba.quantize import FakeQuantize

VERSION = 1

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["quant_method", "version", "layers"],
    "additionalProperties": False,
    "properties": {
        "quant_method": {"const": METHOD},
        "version": {"const": VERSION},
        "layers": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": ["object", "null"],
                "required": ["format", "scale", "nan_to_zero"],
                "additionalProperties": False,
                "properties": {
                    "format": {"type": "object"},
                    "scale": SCALE_SCHEMA,
                    "nan_to_zero": {"type": "boolean"},
                },
            },
        },
    },
}


def quantizers(model: nn.Module) -> list[FakeQuantize | None]:
    """Those of a Mamba's mixers, ours or transformers', first layer to last.

    Raises:
        InputError: for a quantizer of another kind, of which no format is known.
    """
    found = [getattr(mixer, "quantizer", None) for mixer in mixers(model)]
    for quantizer in found:
        if not isinstance(quantizer, FakeQuantize | None):
            raise InputError(f"Quantizers must be FakeQuantize to be saved, not {type(quantizer).__name__}")
    return found


def to_json(layers: Sequence[FakeQuantize | None]) -> dict[str, Any]:
    """The JSON document of the layers' quantizers."""
    return {"quant_method": METHOD, "version": VERSION, "layers": [layer and _to_json(layer) for layer in layers]}


def from_json(document: Any, where: str) -> list[FakeQuantize | None]:
    """The layers' quantizers, None where x is not quantized; InputErrors begin with ``where``.

    Raises:
        InputError: for another program's quantization, a later version, or what breaks the schema or a format's rules.
    """
    where = f"{where}: {QUANTIZATION}"
    check_method(document, where)
    check_schema(document, SCHEMA, where)
    return list(_from_json(document["layers"], where))


def _to_json(quantizer: FakeQuantize) -> dict[str, Any]:
    return {
        "format": format_to_json(quantizer.format),
        "scale": asdict(quantizer.scale),
        "nan_to_zero": quantizer.nan_to_zero,
    }


def _from_json(layers: Sequence[Any], where: str) -> Iterator[FakeQuantize | None]:
    for number, layer in enumerate(layers):
        if layer is None:
            yield None
            continue
        place = f"{where}: layer {number}"
        try:
            format = format_from_json(layer["format"])
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
        yield FakeQuantize(format, scale_from_json(layer["scale"], place), nan_to_zero=layer["nan_to_zero"])
