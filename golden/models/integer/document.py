"""The file of a quantized model's formats: JSON, checked when read, written whole or not at all."""

import os
from dataclasses import asdict, fields
from typing import Any, cast

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.checks import as_path, instance
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import format_from_json, format_to_json
from qse_hw.golden.formats.scale import SCALE_SCHEMA, scale_from_json
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.io.files import write_json
from qse_hw.golden.io.schema import checked_document
from qse_hw.golden.models.integer.formats import (
    GRANULARITIES,
    MODES,
    ROUNDINGS,
    STATE_BITS,
    ChannelFormat,
    FixedPoint,
    LayerFormats,
    Local,
    ModelFormats,
    ScaledChannels,
    State,
)
from qse_hw.golden.models.integer.mamba1.formats import Decays, Mamba1Formats
from qse_hw.golden.models.integer.mamba2.formats import Mamba2Formats
from qse_hw.golden.models.integer.shared import shared_formats
from qse_hw.golden.models.integer.transformations import Transformations

SCHEMA_NAME = "qse-hw/integer/1"


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "required": list(properties), "additionalProperties": False, "properties": properties,
    }  # fmt: skip


_EXPONENTS = {"type": "array", "minItems": 1, "items": {"type": "integer"}}
_SEGMENTED = _object(format={"type": "object"}, scale=SCALE_SCHEMA)
_FIXED = _object(bits={"type": "integer"}, exponent={"type": "integer"})
_LOCAL = {"if": {"required": ["bits"]}, "then": _FIXED, "else": _SEGMENTED}
_BY_CHANNEL: dict[type, dict[str, Any]] = {
    ChannelFormat: _object(format={"type": "object"}, exponents=_EXPONENTS),
    ScaledChannels: _object(
        format={"type": "object"}, scales={"type": "array", "minItems": 1, "items": SCALE_SCHEMA}
    ),
}
_STATE = _object(
    format={"if": {"type": "integer"}, "then": {"enum": list(STATE_BITS)}, "else": {"type": "object"}},
    exponents=_EXPONENTS,
    rounding={"enum": list(ROUNDINGS)},
)
_DECAYS = _object(format={"type": "object"}, exponent={"type": "integer"}, base=_EXPONENTS, shifts=_EXPONENTS)
ARCHITECTURES: dict[str, type[LayerFormats]] = {own.ARCHITECTURE: own for own in (Mamba1Formats, Mamba2Formats)}


def _layer_schema(formats: type[LayerFormats]) -> dict[str, Any]:
    properties: dict[str, Any] = {
        **dict.fromkeys(formats.OPERANDS, _SEGMENTED), **dict.fromkeys(formats.LOCALS, _LOCAL),
        **{
            name: {"if": {"required": ["bits"]}, "then": _FIXED, "else": _BY_CHANNEL[kind]}
            for name, kind in formats.BY_CHANNEL.items()
        },
        **dict.fromkeys(formats.FIXED, _FIXED),
        "inflow": _EXPONENTS, "state": _STATE,
    }  # fmt: skip
    return _object(A=_DECAYS if formats is Mamba1Formats else _FIXED, **properties)


SCHEMA = _object(
    schema={"const": SCHEMA_NAME},
    architecture={"enum": list(ARCHITECTURES)},
    model={"type": "string", "pattern": "^[0-9a-f]{64}$"},
    tokens={"type": "integer", "minimum": 1},
    transformations=_object(**{field.name: {"type": "boolean"} for field in fields(Transformations)}),
    weights={"enum": list(GRANULARITIES)},
    residual=_FIXED,
    layers={"type": "array", "minItems": 1},
    norm_f=_SEGMENTED,
    logits=_FIXED,
)
SCHEMA["properties"]["mode"] = {"enum": list(MODES)}  # not in older files, whose layers share nothing
SCHEMA["allOf"] = [
    {
        "if": {"properties": {"architecture": {"const": name}}},
        "then": {"properties": {"layers": {"items": _layer_schema(formats)}}},
    }
    for name, formats in ARCHITECTURES.items()
]


def write_formats(path: str | os.PathLike[str], formats: ModelFormats) -> None:
    """Write the JSON file, whole or not at all."""
    as_path(path, "Formats")
    write_json(path, formats_to_json(formats))


def formats_to_json(formats: ModelFormats) -> dict[str, Any]:
    """The document that :func:`write_formats` writes."""
    instance(formats, ModelFormats, "Formats", "a ModelFormats, as calibrate_integer gives it")
    return {
        "schema": SCHEMA_NAME,
        "architecture": formats.architecture,
        "model": formats.model,
        "tokens": formats.tokens,
        "transformations": asdict(formats.transformations),
        "weights": formats.weights,
        "mode": formats.mode,
        "residual": asdict(formats.residual),
        "layers": [_layer_to_json(layer) for layer in formats.layers],
        "norm_f": _type_to_json(formats.norm_f),
        "logits": asdict(formats.logits),
    }


def read_formats(path: str | os.PathLike[str]) -> ModelFormats:
    """Read and check the formats of a quantized model.

    Raises:
        InputError: if the file cannot be read, breaks the schema, or a type in it breaks a rule; or if its layers do
            not share what its mode says.
    """
    where = f"Formats {as_path(path, 'Formats')}"
    document = checked_document(path, where, SCHEMA)
    kind = ARCHITECTURES[document["architecture"]]
    layers = tuple(_layer_from_json(layer, kind, f"{where}: layer {n}") for n, layer in enumerate(document["layers"]))
    try:
        formats = ModelFormats(
            model=document["model"],
            tokens=int(document["tokens"]),  # JSON's 8.0 is an integer, too
            transformations=Transformations(**document["transformations"]),
            weights=document["weights"],
            residual=_fixed_from_json(document["residual"]),
            layers=layers,
            norm_f=cast(SegmentedQuantizer, _type_from_json(document["norm_f"], f"{where}: norm_f")),
            logits=_fixed_from_json(document["logits"]),
            mode=document.get("mode", "free"),
        )
        if formats.mode == "shared":
            shared_formats(formats)
    except InputError as error:
        raise error if str(error).startswith(where) else InputError(f"{where}: {error}") from error
    return formats


def _type_to_json(local: Local | ChannelFormat | ScaledChannels) -> dict[str, Any]:
    if isinstance(local, FixedPoint):
        return asdict(local)
    if isinstance(local, ChannelFormat):
        return {"format": format_to_json(local.format), "exponents": list(local.exponents)}
    if isinstance(local, ScaledChannels):
        return {"format": format_to_json(local.format), "scales": [asdict(scale) for scale in local.scales]}
    return {"format": format_to_json(local.format), "scale": asdict(local.scale)}


def _type_from_json(document: dict[str, Any], where: str) -> Local | ChannelFormat | ScaledChannels:
    if "bits" in document:
        return _fixed_from_json(document)
    format = _format_from_json(document["format"], where)
    if "exponents" in document:
        return ChannelFormat(format=format, exponents=tuple(map(int, document["exponents"])))
    if "scales" in document:
        return ScaledChannels(
            format=format, scales=tuple(scale_from_json(scale, where) for scale in document["scales"])
        )
    return SegmentedQuantizer(format=format, scale=scale_from_json(document["scale"], where))


def _fixed_from_json(document: dict[str, Any]) -> FixedPoint:
    return FixedPoint(bits=int(document["bits"]), exponent=int(document["exponent"]))


def _format_from_json(document: dict[str, Any], where: str) -> SegmentedFormat:
    try:
        return format_from_json(document)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _layer_to_json(layer: LayerFormats) -> dict[str, Any]:
    document: dict[str, Any] = {name: _type_to_json(getattr(layer, name)) for name in _types(type(layer))}
    document["A"] = _A_to_json(cast(Mamba1Formats | Mamba2Formats, layer).A)
    state = layer.state
    format = format_to_json(state.format) if isinstance(state.format, SegmentedFormat) else state.format
    return document | {
        "inflow": list(layer.inflow),
        "state": {"format": format, "exponents": list(state.exponents), "rounding": state.rounding},
    }


def _layer_from_json(document: dict[str, Any], kind: type[LayerFormats], where: str) -> LayerFormats:
    types: dict[str, Any] = {name: _type_from_json(document[name], f"{where}, {name}") for name in _types(kind)}
    state = document["state"]
    format = state["format"]
    if isinstance(format, dict):
        format = _format_from_json(format, f"{where}, state")
    try:
        types["A"] = _A_from_json(document["A"], f"{where}, A")
        types["state"] = State(
            format=format, exponents=tuple(map(int, state["exponents"])), rounding=state["rounding"]
        )
        types["inflow"] = tuple(map(int, document["inflow"]))
        return kind(**types)
    except InputError as error:
        raise error if str(error).startswith(where) else InputError(f"{where}: {error}") from error


def _A_to_json(A: Decays | FixedPoint) -> dict[str, Any]:
    return asdict(A) if isinstance(A, FixedPoint) else asdict(A) | {"format": format_to_json(A.format)}


def _A_from_json(document: dict[str, Any], where: str) -> Decays | FixedPoint:
    if "bits" in document:
        return _fixed_from_json(document)
    return Decays(
        format=_format_from_json(document["format"], where),
        exponent=int(document["exponent"]),
        base=tuple(map(int, document["base"])),
        shifts=tuple(map(int, document["shifts"])),
    )


def _types(kind: type[LayerFormats]) -> tuple[str, ...]:
    return (*kind.OPERANDS, *kind.LOCALS, *kind.FIXED)
