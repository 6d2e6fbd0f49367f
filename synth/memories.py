"""Large memories of a unit for standard cells, which have none: they stay outside, as macros that somebody else makes.

Yosys' memory cells are taken out of the flat netlist, and what was connected to them becomes ports of the rest.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEAST = 2048
"""Bits of a memory from which on it is a macro; smaller ones are made of flops."""
_DECLARED = re.compile(r"^\s*reg\s*(?:\[(\d+):0\])?\s*\S+\s*\[(\d+):0\];", re.MULTILINE)
_DATA = ("RD_DATA",)  # of a memory cell's pins, the outputs
Module = dict[str, Any]


@dataclass(frozen=True)
class Macro:
    """A memory outside: its name in the unit, words, bits of a word, ports."""

    name: str
    words: int
    bits: int
    read_ports: int
    write_ports: int

    @property
    def size(self) -> int:
        """Bits of all words."""
        return self.words * self.bits


def has_macros(verilog: str) -> bool:
    """Whether the Verilog has a memory that would be a macro, or a table as large."""
    return any((int(high or 0) + 1) * (int(last) + 1) >= LEAST for high, last in _DECLARED.findall(verilog))


def take_out(module: Module) -> list[Macro]:
    """Take the macros out of a flat module of ``write_json``; the module is changed.

    Each pin of the N-th macro becomes a port ``macroN_PIN``: an output where the macro reads it, an input where it
    drives it. Its clock is the unit's. Tables, which nothing writes to, stay.

    Returns:
        The macros in the order of their numbers.
    """
    macros: list[Macro] = []
    for name in sorted(module["cells"]):
        cell = module["cells"][name]
        macro = _macro(name, cell) if cell["type"] == "$mem_v2" else None
        if macro is None or not macro.write_ports or macro.size < LEAST:
            continue
        for pin, bits in sorted(cell["connections"].items()):
            if pin.endswith("_CLK") or all(isinstance(bit, str) for bit in bits):
                continue
            if pin == "WR_EN":
                bits = _without_repeats(bits)
            direction = "input" if pin in _DATA else "output"
            port = f"macro{len(macros)}_{pin.lower()}"
            module["ports"][port] = {"direction": direction, "bits": bits}
            module["netnames"][port] = {"hide_name": 0, "bits": bits, "attributes": {}}
        del module["cells"][name]
        macros.append(macro)
    return macros


def _macro(name: str, cell: Mapping[str, Any]) -> Macro:
    values = cell["parameters"]
    words, bits, reads, writes = (_number(values[key]) for key in ("SIZE", "WIDTH", "RD_PORTS", "WR_PORTS"))
    return Macro(name=name, words=words, bits=bits, read_ports=reads, write_ports=writes)


def _number(value: int | str) -> int:
    return int(value, 2) if isinstance(value, str) else value


def _without_repeats(bits: list[int | str]) -> list[int | str]:
    """A word's enable once, not for each of its bits."""
    return list(dict.fromkeys(bits))
