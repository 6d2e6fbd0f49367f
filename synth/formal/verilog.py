"""Pieces of SystemVerilog text: constants, case tables, a unit's instance; a unit with faults at its ports."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.emit import Emitted, emit
from qse_hw.rtl_gen.emit.unit import UnitConfig


@lru_cache(maxsize=16)
def emitted(config: UnitConfig) -> Emitted:
    """The unit's Verilog, cached, as several properties need it."""
    return emit(config)


def constant(value: int, width: int) -> str:
    """A signed constant of ``width`` bits."""
    return f"-{width}'sd{-value}" if value < 0 else f"{width}'sd{value}"


def cases(selector: str, rows: Iterable[tuple[str, Mapping[str, str]]], default: Mapping[str, str]) -> str:
    """A case statement; of each row the label and the assignments by name."""

    def assigned(values: Mapping[str, str]) -> str:
        return " ".join(f"{name} = {value};" for name, value in values.items())

    lines = [f"      {label}: begin {assigned(values)} end" for label, values in rows]
    lines.append(f"      default: begin {assigned(default)} end")
    return "\n".join([f"    case ({selector})", *lines, "    endcase"])


def ports(unit: Emitted) -> dict[str, int]:
    """Width of every port of the unit."""
    return {port["name"]: port["width"] for port in unit.ports}


def instance(unit: Emitted, name: str, connected: Sequence[str], *, prefix: str = "", **other: str) -> str:
    """An instance: ports in ``connected`` on wires ``prefix`` plus the port's name, those in ``other`` as given."""
    wires = {port: f"{prefix}{port}" for port in connected} | other
    return f"  {unit.config.top} {name}({', '.join(f'.{port}({wire})' for port, wire in wires.items())});"


def declared(unit: Emitted, names: Sequence[str]) -> str:
    """Wires for ports."""
    widths = ports(unit)
    return "\n".join(f"  wire [{widths[name] - 1}:0] {name};" for name in names)


def tapped(unit: Emitted, taps: Mapping[str, str]) -> str:
    """The unit's Verilog with faults at its ports: each port in ``taps`` is replaced by the expression.

    Expressions of inputs refer to ports by name; in those of outputs, ``inner_NAME`` is the correct value.
    """
    top = unit.config.top
    text, count = re.subn(rf"^module {top}\b", f"module {top}_inner", unit.text, flags=re.MULTILINE)
    if count != 1:
        raise InputError(f"Verilog of {top} must have that module once, not {count} times")
    ends, inner, outputs = [], [], []
    for port in unit.ports:
        name, direction, width = port["name"], port["direction"], port["width"]
        ends.append(f"{direction} [{width - 1}:0] {name}")
        if direction == "input":
            inner.append(f".{name}({taps.get(name, name)})")
        else:
            inner.append(f".{name}(inner_{name})")
            outputs += [
                f"  wire [{width - 1}:0] inner_{name};",
                f"  assign {name} = {taps.get(name, f'inner_{name}')};",
            ]
    wrapper = [f"module {top}({', '.join(ends)});", *outputs, f"  {top}_inner inner({', '.join(inner)});", "endmodule"]
    return text + "\n" + "\n".join(wrapper) + "\n"
