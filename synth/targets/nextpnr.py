"""FPGAs: synthesis with Yosys, place and route with nextpnr."""

import json
import re
from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.emit import MODELS, Emitted
from qse_hw.synth import yosys as tools
from qse_hw.synth.parts import Cells, count_parts
from qse_hw.synth.path import critical_path, signals
from qse_hw.synth.result import AREAS, Area, Timing
from qse_hw.synth.targets.base import Target
from qse_hw.synth.timing_wrapper import WRAPPER

_MODULE = re.compile(r"^module\s+(\w+).*?\bendmodule\b", re.MULTILINE | re.DOTALL)
# Verilator would treat the default values of inputs in the iCE40 models as drivers.
_MACROS = "`define NO_ICE40_DEFAULT_ASSIGNMENTS\n"
PACKED = "packed.json"
"""The netlist after packing, in the folder of a synthesis."""
OWN_MODELS = Path(__file__).parent / "models"
"""Verilog models, named by the cell, of cells for which neither Yosys nor the generator has one."""


@dataclass(frozen=True, kw_only=True)
class Fpga(Target):
    """A device that nextpnr supports.

    Args:
        part: one of :attr:`devices`.

    Attributes:
        devices: the values of ``part``.
        nextpnr: the program for the family.
        library: folder of the family in Yosys' library.
        pins: types of cells, by nextpnr's names, that only pins need: they are not counted as the unit's.
    """

    part: str

    devices: ClassVar[Collection[str]]
    nextpnr: ClassVar[str]
    library: ClassVar[str]
    pins: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.part not in self.devices:
            raise InputError(f"Device of {self.family} must be one of {', '.join(self.devices)}, not {self.part!r}")

    @property
    def name(self) -> str:
        return f"{self.family}:{self.part}"

    @abstractmethod
    def synth(self, *, wrapped: bool) -> str:
        """Yosys' synthesis command, with the device's options; ``wrapped``: for the unit in its timing wrapper."""

    @abstractmethod
    def device(self, folder: Path) -> list[str]:
        """Options of nextpnr that choose the device; files that they name are written into ``folder``."""

    @abstractmethod
    def counted(self, cells: Mapping[str, int], used: Mapping[str, int]) -> Area:
        """The area, from the cells of the netlist and those that nextpnr packed them into."""

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "freq": self.freq, "synthesis": self.fitting() + self.synth(wrapped=True)}

    def area(self, unit: Emitted, folder: Path) -> Area:
        top = unit.config.top
        netlist = self.synthesize(unit.text, top, folder)
        area = self.counted(cells_of(netlist, top), self.packed(netlist, folder))
        return replace(area, parts=self.parts(netlist_cells(netlist, top), netlist_cells(folder / PACKED)))

    def parts(self, cells: Cells, packed: Cells) -> dict[str, dict[str, int]]:
        """The areas of the unit's parts, from the cells of the netlist and those that nextpnr packed them into."""
        mapped, used = count_parts(cells), count_parts(packed)
        areas = {path: self.counted(mapped.get(path, {}), used.get(path, {})) for path in sorted(mapped | used)}
        return {path: {kind: getattr(area, kind) for kind in AREAS} for path, area in areas.items()}

    def packed(self, netlist: Path, folder: Path) -> dict[str, int]:
        """Cells of a netlist after packing, by type, pins left out; all of them in the file :data:`PACKED`.

        Raises:
            InputError: if the device has fewer.
        """
        report = self.place(netlist, ["--pack-only", *self.bare(), "--write", PACKED], folder, "area.json")
        used = {cell: count for cell, count in report["utilization"].items() if cell not in self.pins}
        for cell, count in used.items():
            if count["used"] > count["available"] > 0:
                raise InputError(
                    f"Unit must fit {self.name}, which has {count['available']} {cell}, not {count['used']} "
                    f"({count['used'] - count['available']} too many); choose a larger device or fewer lanes"
                )
        return {cell: count["used"] for cell, count in sorted(used.items()) if count["used"]}

    def bare(self) -> list[str]:
        """Options of nextpnr for packing the bare unit."""
        return []

    def prepare(self, unit: Emitted, wrapped: str, folder: Path) -> None:
        self.synthesize(wrapped, WRAPPER, folder)

    def timing(self, unit: Emitted, folder: Path, seed: int) -> Timing:
        netlist = folder / f"{WRAPPER}.json"
        options = ["--freq", str(self.freq), "--seed", str(seed), "--timing-allow-fail"]
        try:
            report = self.place(netlist, options, folder, f"seed{seed}.json")
        except InputError as error:
            self.packed(netlist, folder)  # if the unit does not fit, its error says by how much
            raise InputError(f"{error} (place and route for {self.name}, seed {seed})") from error
        clocks = [clock["achieved"] for clock in report["fmax"].values()]
        if len(clocks) != 1:
            raise InputError(f"Unit must have one clock, not {len(clocks)} (place and route, seed {seed})")
        names = signals(folder / f"{WRAPPER}.names")
        return Timing(mhz=float(clocks[0]), path=critical_path(report["critical_paths"], names))

    def synthesize(self, verilog: str, top: str, folder: Path) -> Path:
        """Synthesize Verilog: the netlist ``TOP.json`` in ``folder``; ``TOP.names``: the signals before mapping."""
        (folder / f"{top}.v").write_text(verilog, encoding="utf-8")
        # opt_clean removes aliases: Amaranth names an array's element "o__payload[0]", and abc9 (Yosys 0.70) may fail
        # on a wire whose name is that of a bit of another wire.
        flat = f"hierarchy -check -top {top}; proc; flatten; opt_clean -purge; tee -q -o {top}.names select -list w:*"
        read = f"{self.reading()}read_verilog {top}.v"
        synthesis = f"{self.synth(wrapped=top == WRAPPER)} -top {top} -json {top}.json"
        script = f"{read}; {flat}; {self.fitting()}{synthesis}; write_verilog -noattr {top}_netlist.v"
        tools.run(tools.YOSYS, ["-q", "-p", script], folder, log=f"{top}.log")
        return folder / f"{top}.json"

    def reading(self) -> str:
        """Commands of Yosys that declare the cells which units instantiate, before the unit is read."""
        return ""

    def fitting(self) -> str:
        """Commands of Yosys that replace, before synthesis, what the device does not have."""
        return ""

    def place(self, netlist: Path, options: list[str], folder: Path, report: str) -> dict[str, Any]:
        """Run nextpnr; returns its report."""
        common = ["--json", netlist.name, "--threads", "1", "--quiet", "--report", report]
        tools.run(self.nextpnr, [*self.device(folder), *common, *options], folder, log=f"{report}.log")
        document: dict[str, Any] = json.loads((folder / report).read_text(encoding="utf-8"))
        return document

    def netlist(self, unit: Emitted, folder: Path) -> Emitted:
        top = unit.config.top
        used = cells_of(self.synthesize(unit.text, top, folder), top)
        text = (folder / f"{top}_netlist.v").read_text(encoding="utf-8")
        return replace(unit, text=text, models=cell_models(used, tools.library(f"{self.library}/cells_sim.v")))


def cell_models(cells: Iterable[str], library: str) -> dict[str, str]:
    """Verilog models of ``cells`` by file name: this package's if there is one, else from Yosys' ``library``.

    Raises:
        InputError: if a cell has none.
    """
    modules = {match[1]: match for match in _MODULE.finditer(library)}
    macros = _MACROS + library[: min((match.start() for match in modules.values()), default=0)]
    own = {path.stem: path for folder in (MODELS, OWN_MODELS) for path in sorted(folder.glob("*.v"))}
    models: dict[str, str] = {}
    wanted = sorted((cell for cell in cells if not cell.startswith("$")), reverse=True)  # without $scopeinfo
    while wanted:
        cell = wanted.pop()
        if cell in own:
            models[f"{cell}.v"] = own[cell].read_text(encoding="utf-8")
        elif cell in modules:
            text = modules[cell][0]
            models[f"{cell}.v"] = f"{macros}\n{text}\n"
            inside = set(re.findall(r"^\s*(\w+)\b", text, re.MULTILINE)) & modules.keys()
            wanted += sorted(name for name in inside if f"{name}.v" not in models)
        else:
            raise InputError(f"Cell {cell} has no simulation model; units with it cannot be replayed as a netlist")
    return models


def cells_of(netlist: Path, top: str) -> dict[str, int]:
    """The number of cells of each type in a netlist."""
    counts: dict[str, int] = {}
    for cell in netlist_cells(netlist, top).values():
        counts[cell["type"]] = counts.get(cell["type"], 0) + 1
    return dict(sorted(counts.items()))


def netlist_cells(netlist: Path, top: str | None = None) -> Cells:
    """The cells by name of a module, or of the only one, in a JSON file of Yosys or nextpnr."""
    modules = json.loads(netlist.read_text(encoding="utf-8"))["modules"]
    cells: Cells = modules[top or next(iter(modules))]["cells"]
    return cells
