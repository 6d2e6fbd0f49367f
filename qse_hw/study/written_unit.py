# amaranth: UnusedElaboratable=no
"""Reads the encoder or decoder that ``gen`` wrote to a folder, and checks its files against the manifest."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import SCALE_SCHEMA, scale_from_json
from qse_hw.golden.io.schema import checked_document
from qse_hw.rtl_gen.emit.emit import MANIFEST, MANIFEST_SCHEMA, MODELS, Emitted
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.options import from_json, schema
from qse_hw.synth.cache import digest

UNITS = ("encoder", "decoder")

_INTEGER = {"type": "integer"}
_PORT = {
    "type": "object",
    "required": ["name", "direction", "width"],
    "properties": {"name": {"type": "string"}, "direction": {"enum": ["input", "output"]}, "width": _INTEGER},
}
_KNOWN_SCALE = {"type": ["object", "null"], "required": ["M", "k", "bits"], "properties": SCALE_SCHEMA["properties"]}


def _if(unit: str, then: dict[str, Any]) -> dict[str, Any]:
    parameters = {"properties": {"unit": {"const": unit}}, "required": ["unit"]}
    return {"if": {"properties": {"parameters": parameters}, "required": ["parameters"]}, "then": then}


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["schema", "top", "verilog", "simulation_models", "ports", "latency", "parameters"],
    "properties": {
        "schema": {"const": MANIFEST_SCHEMA},
        "top": {"type": "string"},
        "verilog": {
            "type": "object",
            "required": ["file", "sha256"],
            "properties": {"file": {"type": "string"}, "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"}},
        },
        "simulation_models": {"type": "array", "items": {"type": "string"}},
        "ports": {"type": "array", "items": _PORT},
        "latency": _INTEGER,
        "parameters": {"type": "object", "required": ["unit"], "properties": {"unit": {"type": "string"}}},
    },
    "allOf": [
        _if("encoder", {"properties": {"parameters": schema(EncoderConfig)}, "required": ["format", "scale"]}),
        _if("decoder", {"properties": {"parameters": schema(DecoderConfig), "scale": _KNOWN_SCALE},
                        "required": ["format", "scale"]}),
    ],
}  # fmt: skip


def read_generated(folder: str | os.PathLike[str]) -> Emitted:
    """The encoder or decoder in a folder that ``python -m qse_hw.gen`` wrote.

    Returns:
        The configuration that the manifest describes, with the text of the Verilog file and of the cells' models.

    Raises:
        InputError: if the manifest cannot be read, breaks its schema or contradicts itself, is of another unit, or if
            a file is missing or is not, byte by byte, the one that was written with it.
    """
    path = _manifest(Path(folder))
    where = f"Manifest {path}"
    document = checked_document(path, where, SCHEMA)
    unit = document["parameters"]["unit"]
    if unit not in UNITS:
        raise InputError(f"{where}: unit must be one of {', '.join(UNITS)} to be compared, not {unit!r}")
    try:
        config = _config(document)
        if document["top"] != config.top:
            config = config.named(document["top"])
        component = config.component()
    except ValueError as error:  # of which InputError is one
        raise InputError(f"{where}: {error}") from error
    for name, fact in config.facts().items():
        if document[name] != fact:
            raise InputError(f"{where}: {name} must be what the parameters say; generate the unit again")
    ports = sorted((port["name"], port["width"]) for port in document["ports"])
    if ports != sorted(_ports(component)) or document["latency"] != component.latency:
        raise InputError(f"{where}: ports and latency must be those of {config.label}; generate the unit again")
    if document["verilog"]["file"] != f"{config.top}.v":
        raise InputError(f"{where}: verilog/file must be {config.top}.v, not {document['verilog']['file']!r}")
    return Emitted(
        config=config,
        text=_written(path.with_name(f"{config.top}.v"), document["verilog"]["sha256"]),
        ports=tuple({**port, "width": int(port["width"])} for port in document["ports"]),
        latency=component.latency,
        models=_models(path.parent, document["simulation_models"], where),
    )


def _manifest(folder: Path) -> Path:
    """The manifest in a folder, which belongs to a unit with or without a name."""
    if folder.is_file():
        raise InputError(f"Folder {folder} must be one that gen wrote to, not a file; give the folder that it lies in")
    found = sorted(folder.glob(f"*_{MANIFEST}"))
    if (folder / MANIFEST).exists() or not found:
        return folder / MANIFEST
    if len(found) > 1:
        names = ", ".join(one.name for one in found)
        raise InputError(f"Folder {folder} must have one unit to be compared, not {len(found)}: {names}")
    return found[0]


def _config(document: dict[str, Any]) -> EncoderConfig | DecoderConfig:
    given = document["parameters"]
    if given["unit"] == "encoder":
        return EncoderConfig(**from_json(EncoderConfig, given))
    known = document["scale"]
    scale = None if known is None else scale_from_json({name: known[name] for name in ("M", "k", "bits")}, "scale")
    return DecoderConfig(scale=scale, **from_json(DecoderConfig, given))


def _ports(component: Any) -> list[tuple[str, int]]:
    """Names and widths of a component's ports, with the clock and the reset."""
    from amaranth.hdl import Shape, Value

    ports = [("clk", 1), ("rst", 1)]
    for path, _, value in component.signature.flatten(component):
        ports.append(("__".join(map(str, path)), Shape.cast(Value.cast(value).shape()).width))
    return ports


def _models(folder: Path, names: Sequence[str], where: str) -> dict[str, str]:
    """The models of cells: the manifest has no hash of them, so they must equal the generator's."""
    known = {model.name: model.read_text(encoding="utf-8") for model in MODELS.glob("*.v")}
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise InputError(f"{where}: simulation_models must be of {', '.join(sorted(known))}, not {unknown!r}")
    return {name: _written(folder / name, digest(known[name])) for name in names}


def _written(path: Path, sha256: str) -> str:
    """The text of a file; InputError if its hash is another one."""
    try:
        text = path.read_bytes().decode()  # read_text() would translate line ends
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "it is not UTF-8")
        raise InputError(f"Verilog {path} cannot be read: {reason}; generate the unit again") from error
    actual = digest(text)
    if actual != sha256:
        raise InputError(
            f"Verilog {path} must be as it was generated, SHA-256 {sha256[:12]}, but was changed to {actual[:12]}; "
            "generate the unit again"
        )
    return text
