"""Large memories of a unit for standard cells, which have none: they stay outside, as macros that somebody else makes.

Yosys' memory cells are taken out of the flat netlist, and what was connected to them becomes ports of the rest. They
become a module of their own, which Yosys can write as Verilog, so that both together can be simulated.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
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


def take_out(module: Module) -> Module:
    """Take the macros out of a flat module of ``write_json``; the module is changed.

    Each pin of the N-th macro becomes a port ``macroN_PIN``: an output where the macro reads it, an input where it
    drives it. Its clock is the unit's. Tables, which nothing writes to, stay.

    Returns:
        A module of nothing but the macros' memory cells, with the same ports in the opposite directions, and ``clk``.
    """
    nets = count(2)
    clock = next(nets)
    outside: Module = {"attributes": {}, "ports": {}, "cells": {}, "netnames": {}}
    _add_port(outside, "clk", "input", [clock])
    for name in sorted(module["cells"]):
        cell = module["cells"][name]
        macro = _macro(name, cell) if cell["type"] == "$mem_v2" else None
        if macro is None or not macro.write_ports or macro.size < LEAST:
            continue
        connections: dict[str, list[int | str]] = {}
        for pin, bits in sorted(cell["connections"].items()):
            if pin.endswith("_CLK"):
                connections[pin] = [bit if isinstance(bit, str) else clock for bit in bits]
                continue
            if all(isinstance(bit, str) for bit in bits):
                connections[pin] = bits
                continue
            shared = _without_repeats(bits) if pin == "WR_EN" else bits
            inner = [next(nets) for _ in shared]
            of = dict(zip(shared, inner, strict=True))
            connections[pin] = [of[bit] for bit in bits]
            reads = pin in _DATA
            port = f"macro{len(outside['cells'])}_{pin.lower()}"
            _add_port(module, port, "input" if reads else "output", shared)
            _add_port(outside, port, "output" if reads else "input", inner)
        outside["cells"][name] = {**cell, "connections": connections}
        del module["cells"][name]
    return outside


def macros_of(outside: Module) -> list[Macro]:
    """The macros that :func:`take_out` took out, in the order of their numbers."""
    return [_macro(name, cell) for name, cell in sorted(outside["cells"].items())]


def _add_port(module: Module, name: str, direction: str, bits: list[Any]) -> None:
    module["ports"][name] = {"direction": direction, "bits": bits}
    module["netnames"][name] = {"hide_name": 0, "bits": bits, "attributes": {}}


def _macro(name: str, cell: Mapping[str, Any]) -> Macro:
    values = cell["parameters"]
    words, bits, reads, writes = (_number(values[key]) for key in ("SIZE", "WIDTH", "RD_PORTS", "WR_PORTS"))
    return Macro(name=name, words=words, bits=bits, read_ports=reads, write_ports=writes)


def _number(value: int | str) -> int:
    return int(value, 2) if isinstance(value, str) else value


def _without_repeats(bits: list[int | str]) -> list[int | str]:
    """A word's enable once, not for each of its bits."""
    return list(dict.fromkeys(bits))
