"""Standard cells of any Liberty file: Yosys and ABC map, buffer and size; :mod:`qse_hw.synth.cells.sta` times."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.synth import yosys as tools
from qse_hw.synth.cache import digest
from qse_hw.synth.cells.cell import lacking
from qse_hw.synth.cells.liberty import Library, read_liberty
from qse_hw.synth.cells.mapped import MappedNetlist
from qse_hw.synth.cells.sta import analyze
from qse_hw.synth.memories import Macro, has_macros
from qse_hw.synth.result import Area, Hop, Timing
from qse_hw.synth.targets import split
from qse_hw.synth.targets.base import Target
from qse_hw.synth.targets.kept import Kept
from qse_hw.synth.targets.nextpnr import cell_models, cells_of
from qse_hw.synth.targets.split import READ, join

LIBRARY = "cells.lib"
"""File of the library, in the folder of a synthesis, as the tools read it."""
KNOWN = (Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib"),)
"""Paths of free libraries: Debian's package qflow-tech-osu018, Oklahoma State University's 0.18 um cells."""
KEPT = 4  # netlists

_ABC = """strash
ifraig
scorr
dc2
dch -f
map -B 0.9 -D {picoseconds}
topo
buffer -c
upsize -D {picoseconds}
dnsize -D {picoseconds}
stime -p
"""
_SCRIPT = """synth -top {top}
dfflibmap -liberty cells.lib
abc -liberty cells.lib -script cells.abc
opt_clean -purge
delete t:$scopeinfo
write_json {top}.json
write_verilog -noattr {top}_netlist.v
"""
_MODELS = """read_liberty -ignore_miss_func -ignore_miss_dir cells.lib
write_verilog -noattr cells.v
"""


@dataclass(frozen=True, kw_only=True)
class Cells(Target):
    """Standard cells without wires: placement and routing would add area and delay, so the figures are lower bounds.

    Large memories stay outside as macros, which have no area here, and whose own delay is not on any path.

    Args:
        liberty: the library's file, plain or gzipped; None for a known one that is installed (:data:`KNOWN`).
    """

    liberty: Path | None = None

    family: ClassVar[str] = "cells"
    programs: ClassVar[tuple[str, ...]] = (tools.NATIVE_YOSYS,)
    seeded: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.library, self._kept

    @cached_property
    def library(self) -> Library:
        """The content of the Liberty file."""
        return read_liberty(self.path)

    @cached_property
    def path(self) -> Path:
        """The Liberty file."""
        if self.liberty is not None:
            return self.liberty
        installed = next((path for path in KNOWN if path.exists()), None)
        if installed is None:
            raise InputError(
                "Liberty file must be given for target cells: none is installed "
                "(--liberty FILE, or on Debian: apt-get install qflow-tech-osu018)"
            )
        return installed

    @cached_property
    def _kept(self) -> Kept:
        """Netlists: area, timing and energy need the same one, often one after the other."""
        return Kept(KEPT)

    @property
    def name(self) -> str:
        return f"{self.family}:{self.library.name}"

    def describe(self) -> dict[str, Any]:
        library = self.library
        settings = {"name": self.name, "freq": self.freq, "synthesis": READ + _SCRIPT, "abc": self._abc()}
        left_out = {"left_out": dict(library.left_out)} if library.left_out else {}
        no_energy = {"no_energy": library.no_energy} if library.no_energy else {}
        return {**settings, "liberty": library.digest, **left_out, **no_energy}

    def area(self, unit: Emitted, folder: Path) -> Area:
        top = unit.config.top
        netlist, macros = self.synthesize(unit, folder)
        cells = cells_of(netlist, top)
        if unknown := cells.keys() - self.library.cells.keys():
            raise InputError(f"Netlist must be of cells of {self.library.name}, but {top} has {min(unknown)}")
        kinds = {cell: self.library.cells[cell] for cell in cells}
        flops = sum(count for cell, count in cells.items() if kinds[cell].flop)
        for cell, kind in kinds.items():
            if math.isnan(kind.area):
                raise lacking(cell, "an area")
        silicon = sum(kinds[cell].area * count for cell, count in cells.items())
        nand = self.library.nand2_area
        return Area(
            comb=sum(cells.values()) - flops,
            ff=flops,
            silicon=silicon,
            nand2=silicon / nand if nand else None,
            cells=cells,
            macros={macro.name: macro.size for macro in macros},
        )

    def prepare(self, unit: Emitted, wrapped: str, folder: Path) -> None:
        if not (folder / f"{unit.config.top}.json").exists():  # the area's netlist is the same
            self.synthesize(unit, folder)

    def timing(self, unit: Emitted, folder: Path, seed: int) -> Timing:
        report = analyze(MappedNetlist.read(folder / f"{unit.config.top}.json", self.library))
        without_setup = tuple(f"{pin} of {cell}" for cell, pin in sorted(report.without_setup))
        return Timing(mhz=report.fmax, path=tuple(Hop(*hop) for hop in report.hops), without_setup=without_setup)

    def netlist(self, unit: Emitted, folder: Path) -> Emitted:
        """As every target's; macros are a module of their own, as Yosys describes its memory cells."""
        top = unit.config.top
        netlist, macros = self.synthesize(unit, folder)
        tools.run_native_yosys(_MODELS, folder, "models.log")
        models = cell_models(cells_of(netlist, top), (folder / "cells.v").read_text(encoding="utf-8"))
        text = join(folder, top, netlist) if macros else (folder / f"{top}_netlist.v").read_text(encoding="utf-8")
        return replace(unit, text=text, models=models)

    def synthesize(self, unit: Emitted, folder: Path) -> tuple[Path, list[Macro]]:
        """Map the bare unit without its macros: ``TOP.json`` and ``TOP_netlist.v`` in ``folder``.

        The same unit is mapped once only as long as few others come between.

        Returns:
            The first file; the macros (:mod:`qse_hw.synth.targets.split` has them in further files).

        Raises:
            InputError: if a tool is missing or fails, with ABC's message if it was ABC.
        """
        top = unit.config.top
        self._kept.copy(digest(unit.text), folder, lambda made: self._synthesize(unit, made))
        # of another unit of that name, the folder may still have macros
        return folder / f"{top}.json", split.macros(folder, top) if has_macros(unit.text) else []

    def _synthesize(self, unit: Emitted, folder: Path) -> None:
        top = unit.config.top
        (folder / LIBRARY).write_bytes(self.library.text)
        (folder / "cells.abc").write_text(self._abc(), encoding="utf-8")
        (folder / f"{top}.v").write_text(unit.text, encoding="utf-8")
        try:
            read = READ
            if has_macros(unit.text):
                split.split(unit, folder)
                read = "read_json {top}_logic.json\n"
            tools.run_native_yosys((read + _SCRIPT).format(top=top), folder, f"{top}.log")
        except InputError as error:
            untimed = [f"{cell.name} has no delay from {pin}" for cell in self.library.cells.values()
                       for pin in sorted(cell.untimed)]  # fmt: skip
            suspects = f"; {', '.join(untimed[:3])}" if untimed and tools.ABC_STOPPED in str(error) else ""
            raise InputError(f"{error} (with the cells of {self.path}{suspects})") from error

    def _abc(self) -> str:
        return _ABC.format(picoseconds=round(1e6 / self.freq))
