"""The parts of a unit by the names of its cells: flattening and packing leave each cell the path of its submodule."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

DEPTH = 3
"""Levels of submodules that are told apart."""
_NUMBER = re.compile(r"\$\d+$")  # which Amaranth appends to a name that occurs twice
_CARRIES = ("FCI", "FCO")  # pins of nextpnr's carry chains
Cells = Mapping[str, Mapping[str, Any]]


def path_of(cell: str) -> str:
    """The submodule of a cell, ``engine.row0``, down to :data:`DEPTH` levels; "" for the unit itself."""
    return ".".join(_NUMBER.sub("", name) for name in cell.split(".")[:-1][:DEPTH])


def count_parts(cells: Cells) -> dict[str, dict[str, int]]:
    """The number of cells of each type, by submodule; each cell counts once, for the deepest one that it is in.

    A look-up table that several submodules share belongs to the one whose signal it was named after. Cells that
    nextpnr added at the ends of a carry chain belong to the chain's submodule.

    Args:
        cells: of a netlist's one module, as Yosys and nextpnr write it in JSON.
    """
    parts: dict[str, dict[str, int]] = {}
    for name, path in _paths(cells):
        counts, kind = parts.setdefault(path, {}), cells[name]["type"]
        counts[kind] = counts.get(kind, 0) + 1
    return parts


def _paths(cells: Cells) -> Iterator[tuple[str, str]]:
    nameless = [name for name in cells if name.startswith("$")]
    chains: dict[int, str] = {}  # by net of a carry
    for name, cell in cells.items():
        if not name.startswith("$"):
            path = path_of(name)
            yield name, path
            chains |= dict.fromkeys(_carries(cell), path)
    while nameless:
        left: list[str] = []
        for name in nameless:
            known = [chains[net] for net in _carries(cells[name]) if net in chains]
            if known:
                yield name, known[0]
                chains |= dict.fromkeys(_carries(cells[name]), known[0])
            else:
                left.append(name)
        if len(left) == len(nameless):
            yield from ((name, "") for name in left)
            return
        nameless = left


def _carries(cell: Mapping[str, Any]) -> list[int]:
    return [net for pin in _CARRIES for net in cell["connections"].get(pin, ()) if isinstance(net, int)]


def within(parts: Mapping[str, Mapping[str, int]], depth: int) -> dict[str, dict[str, int]]:
    """The parts down to ``depth`` levels, each with all that lies deeper; sorted by name."""
    sums: dict[str, dict[str, int]] = {}
    for path, counts in sorted(parts.items()):
        total = sums.setdefault(".".join(path.split(".")[:depth]), {})
        for kind, count in counts.items():
            total[kind] = total.get(kind, 0) + count
    return sums
