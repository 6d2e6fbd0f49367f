"""Circuits mapped to cells, for the tests of timing, activity and energy."""

import json
from pathlib import Path

from qse_hw.synth.cells.liberty import Library
from qse_hw.synth.cells.mapped import MappedNetlist
from qse_hw.synth.cells.sta import TimingReport, analyze
from qse_hw.synth.targets.cells import KNOWN
from qse_hw.synth.yosys import run_native_yosys

SMALL = Path(__file__).parent / "assets" / "small.lib"
OSU = KNOWN[0]

_MAP = """read_verilog {top}.v
synth -flatten -top {top}
dfflibmap -liberty cells.lib
abc -liberty cells.lib -script cells.abc
opt_clean -purge
delete t:$scopeinfo
write_json {top}.json
write_verilog -noattr {top}_netlist.v
"""
_ABC = "strash\ndch\nmap -B 0.9\ntopo\nbuffer -c\nupsize\ndnsize\nstime -p\n"


def map_to_cells(verilog: str, top: str, folder: Path, liberty: Path = SMALL) -> tuple[Path, str]:
    """The netlist's JSON (beside it ``TOP_netlist.v``), and the log, in which ABC has timed it."""
    (folder / f"{top}.v").write_text(verilog)
    (folder / "cells.lib").write_bytes(liberty.read_bytes())
    (folder / "cells.abc").write_text(_ABC)
    return folder / f"{top}.json", run_native_yosys(_MAP.format(top=top), folder, "map.log")


def analyze_file(netlist: Path, library: Library) -> TimingReport:
    return analyze(MappedNetlist.read(netlist, library))


def write_netlist(path: Path, cells: dict, ports: dict, names: dict | None = None) -> Path:
    """A netlist by hand: (type, {pin: net}) by name, (direction, nets) by port."""
    document = {
        "modules": {
            "unit": {
                "attributes": {},
                "ports": {name: {"direction": direction, "bits": bits} for name, (direction, bits) in ports.items()},
                "cells": {
                    name: {"type": kind, "connections": {pin: [net] for pin, net in pins.items()}, "parameters": {}}
                    for name, (kind, pins) in cells.items()
                },
                "netnames": {
                    name: {"hide_name": 0, "bits": bits, "attributes": {}}
                    for name, bits in {**{name: bits for name, (_, bits) in ports.items()}, **(names or {})}.items()
                },
            }
        }
    }
    path.write_text(json.dumps(document))
    return path


def chain(tmp_path: Path, **changes: tuple[str, dict]) -> Path:
    """q -> NAND2 (with input en) -> n -> XOR2 with q -> d; two flops."""
    cells = {
        "first": ("DFF", {"CK": 2, "D": 3, "Q": 4}),
        "nand": ("NAND2", {"A": 4, "B": 5, "Y": 6}),
        "xor": ("XOR2", {"A": 6, "B": 4, "Y": 7}),
        "second": ("DFF", {"CK": 2, "D": 7, "Q": 8}),
    } | changes
    ports = {"clk": ("input", [2]), "i": ("input", [3]), "en": ("input", [5]), "o": ("output", [8])}
    names = {"unit.early": [4], "unit.late": [0, 8], "$auto$1": [6], "_07_": [7]}
    return write_netlist(tmp_path / "chain.json", cells, ports, names)
