"""A unit for standard cells in two parts, its logic and its macros, as files of Yosys and joined again as Verilog.

In the folder of a synthesis, ``TOP_logic.json`` has the flat unit without its macros, not mapped yet, and
``TOP_macros.json`` the macros (:mod:`qse_hw.synth.memories`).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.synth import yosys as tools
from qse_hw.synth.cells.mapped import only_module
from qse_hw.synth.memories import Macro, macros_of, take_out

READ = """read_verilog {top}.v
hierarchy -check -top {top}
proc
flatten
opt_clean -purge
"""
_MEMORIES = """memory -nomap
opt_clean -purge
write_json {top}_logic.json
"""
_VERILOG = """read_json {netlist}
rename {top} {top}_logic
write_verilog -noattr {top}_logic.v
design -reset
read_json {top}_macros.json
write_verilog -noattr {top}_macros.v
"""
TAP = "ports"


def split(unit: Emitted, folder: Path) -> None:
    """Write the two files.

    Raises:
        InputError: if Yosys is missing or fails.
    """
    top = unit.config.top
    (folder / f"{top}.v").write_text(unit.text, encoding="utf-8")
    tools.run_native_yosys((READ + _MEMORIES).format(top=top), folder, f"{top}_memories.log")
    file = folder / f"{top}_logic.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    macros = {f"{top}_macros": take_out(document["modules"][top])}
    file.write_text(json.dumps(document), encoding="utf-8")
    (folder / f"{top}_macros.json").write_text(json.dumps({"modules": macros}), encoding="utf-8")


def macros(folder: Path, top: str) -> list[Macro]:
    """The macros of a unit that was split in ``folder``; none if it was not, because it has none."""
    file = folder / f"{top}_macros.json"
    return macros_of(only_module(file)) if file.exists() else []


def join(folder: Path, top: str, netlist: Path, shown: Mapping[str, Iterable[str]] | None = None) -> str:
    """Verilog of a unit that was split in ``folder``: its logic, its macros, and ``top``, which connects them.

    Args:
        folder: of the synthesis.
        top: the module.
        netlist: a file in ``folder`` that has the logic as ``write_json`` writes it, mapped or not.
        shown: further outputs of ``top``, and what they are connected to, the lowest bit first.

    Raises:
        InputError: if Yosys is missing or fails.
    """
    tools.run_native_yosys(_VERILOG.format(top=top, netlist=netlist.name), folder, f"{top}_join.log")
    inside = {part: only_module(folder / name)["ports"] for part, name in
              (("logic", netlist.name), ("macros", f"{top}_macros.json"))}  # fmt: skip
    parts = [(folder / f"{top}_{part}.v").read_text(encoding="utf-8") for part in inside]
    return "".join([_connected(top, inside, shown or {}), *parts])


def _connected(top: str, inside: Mapping[str, Mapping[str, Any]], shown: Mapping[str, Iterable[str]]) -> str:
    """The module ``top``: ports of the macros but the clock become wires, those of the logic are the unit's."""
    logic = inside["logic"]
    width = {name: len(port["bits"]) for name, port in logic.items()}
    between = inside["macros"].keys() - {"clk"}
    ports = [f"{logic[name]['direction']} [{width[name] - 1}:0] {name}" for name in logic if name not in between]
    lines = [f"wire [{width[name] - 1}:0] {name};" for name in logic if name in between]
    for output, names in shown.items():
        signals = list(names)
        bits = sum(width.get(name, 1) for name in signals)
        ports.append(f"output [{bits - 1}:0] {output}")
        lines.append(f"assign {output} = {{{', '.join(reversed(signals))}}};")
    lines += [
        f"{top}_{part} the_{part} ({', '.join(f'.{name}({name})' for name in names)});"
        for part, names in inside.items()
    ]
    return f"module {top} ({', '.join(ports)});\n  " + "\n  ".join(lines) + "\nendmodule\n"


def show_ports(unit: Emitted, folder: Path) -> tuple[Emitted, dict[str, int]]:
    """The unit's Verilog, not mapped, with a tap :data:`TAP`, valid in every cycle: all ports of its logic.

    Args:
        unit: the unit; it must have no taps.
        folder: for all files that are made.

    Returns:
        The unit, to be simulated; by port of the logic the bit of the tap's payload where it begins.

    Raises:
        InputError: if Yosys is missing or fails.
    """
    top = unit.config.top
    netlist = folder / f"{top}_logic.json"
    if not netlist.exists():  # a synthesis in the same folder has made it, unless there is no macro
        split(unit, folder)
    widths = {name: len(port["bits"]) for name, port in only_module(netlist)["ports"].items()}
    shown = {f"tap_{TAP}__valid": ["1'b1"], f"tap_{TAP}__payload": list(widths)}
    meaning = {"direction": "output", "signed": False, "meaning": "all ports of the logic"}
    taps = tuple(
        {"name": name, "width": width, **meaning} for name, width in zip(shown, (1, sum(widths.values())), strict=True)
    )
    made = replace(unit, text=join(folder, top, netlist, shown), ports=(*unit.ports, *taps))
    return made, dict(zip(widths, accumulate(widths.values(), initial=0), strict=False))
