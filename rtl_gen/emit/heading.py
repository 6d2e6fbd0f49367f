"""The comment at the top of a unit's Verilog: what it is, its format and options, its ports, where it comes from."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from qse_hw.golden.formats.presets import spec_of
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.option_kinds import Text
from qse_hw.rtl_gen.units.options import options, to_json

if TYPE_CHECKING:
    from qse_hw.rtl_gen.emit.emit import Emitted

WIDTH = 112
LICENSE = "Apache-2.0"
_KINDS = {
    "sign-magnitude": "the top bit is the sign, the others say how far from 0 the value lies",
    "twos-complement": "two's complement",
    "offset": "counted from the format's least value",
}


def headed(unit: "Emitted") -> "Emitted":
    """The unit with the comment above its Verilog. The same configuration gives the same bytes."""
    lines = [f"// {line}".rstrip() for line in _lines(unit)]
    return replace(unit, text="\n".join([*lines, "", unit.text]))


def _lines(unit: "Emitted") -> Iterator[str]:
    config = unit.config
    yield f"{config.top}: {config.summary}"
    yield config.label
    yield ""
    yield from _options(config)
    for name in _formats(config):
        yield ""
        yield from _format(name, getattr(config, name))
    yield ""
    yield f"Latency: {unit.latency} cycles. Initiation interval: {config.initiation_interval:g} cycles per input beat."
    yield "A beat passes in a cycle in which its valid and ready are both 1."
    yield from _ports(unit.ports)
    yield ""
    yield f"Made by qse-hw {version('qse-hw')}. SPDX-License-Identifier: {LICENSE}"
    yield f"SHA-256 of the text below the blank line: {hashlib.sha256(unit.text.encode()).hexdigest()}"


def _formats(config: UnitConfig) -> list[str]:
    return [name for name in to_json(config) if isinstance(getattr(config, name), SegmentedFormat)]


def _options(config: UnitConfig) -> Iterator[str]:
    """The options' values; a file's path is left out: the Verilog depends on what is in the file."""
    known = options(type(config))
    values = {
        name: _value(getattr(config, name)) for name in to_json(config) if not isinstance(known[name].kind, Text)
    }
    yield from wrap(
        "Options: " + ", ".join(f"{name}={value}" for name, value in values.items()), WIDTH, subsequent_indent="  "
    )


def _value(value: Any) -> str:
    if isinstance(value, SegmentedFormat):
        return spec_of(value)
    if isinstance(value, Scale):
        return f"{float(value.step):.6g} (M={value.M} k={value.k})"
    if isinstance(value, tuple):
        return ":".join(map(str, value))
    return str(getattr(value, "name", value))


def _format(name: str, format: SegmentedFormat) -> Iterator[str]:
    """A format in words; the codes of its segments, and the values in steps of the scale, s."""
    yield f"{name.capitalize()} {spec_of(format)}: codes of {format.bits} bits, {_KINDS[format.kind]}"
    unit = 2.0**format.fraction_bits
    for part, start, end in zip(format.segments, format.starts, format.ends, strict=True):
        low, high = ((place - format.zero_point) / unit for place in (start, end))
        last = high - 2.0**part.log2_step
        codes = f"{part.first_code} to {part.first_code + part.codes - 1}"
        yield f"  codes {codes}: {low:g} s to {last:g} s in steps of {2.0**part.log2_step:g} s"


def _ports(ports: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    names = max(len(port["name"]) for port in ports)
    for port in ports:
        signed = ", signed" * port["signed"]
        yield f"  {port['direction']:6} {port['name']:{names}} {port['width']:4}  {port['meaning']}{signed}"
