"""Gowin (Yosys ``synth_gowin``, nextpnr-himbaechel-gowin)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.synth import yosys as tools
from qse_hw.synth.result import Area
from qse_hw.synth.targets.nextpnr import Fpga, cells_of, netlist_cells


@dataclass(frozen=True, kw_only=True)
class Part:
    """A device: its full name, nextpnr's and Yosys' names of its family, and four pins for the timing wrapper."""

    device: str
    family: str
    yosys: str
    pins: tuple[int, int, int, int]


DEVICES = {
    "gw1nr-9": Part(device="GW1NR-LV9QN88PC6/I5", family="GW1N-9C", yosys="gw1n", pins=(52, 3, 4, 10)),
    "gw2ar-18": Part(device="GW2AR-LV18QN88C8/I7", family="GW2A-18C", yosys="gw2a", pins=(4, 73, 74, 75)),
}
"""The parts of two well-known boards, Tang Nano 9K and 20K."""


@dataclass(frozen=True, kw_only=True)
class Gowin(Fpga):
    """The small, slow GW1NR-9 or the larger, fast GW2AR-18.

    nextpnr needs a pin for every port, and a bare unit may have more ports than there are pins: the area is that of
    Yosys' netlist, without pins.

    Args:
        part: one of :data:`DEVICES`.
    """

    part: str = "gw1nr-9"

    devices: ClassVar[Collection[str]] = DEVICES
    family: ClassVar[str] = "gowin"
    programs: ClassVar[tuple[str, ...]] = (tools.YOSYS, tools.NEXTPNR_GOWIN)
    nextpnr: ClassVar[str] = tools.NEXTPNR_GOWIN
    library: ClassVar[str] = "gowin"

    def describe(self) -> dict[str, Any]:
        return super().describe() | {"device": DEVICES[self.part].device}

    def synth(self, *, wrapped: bool) -> str:
        return f"synth_gowin -family {DEVICES[self.part].yosys}" + ("" if wrapped else " -noiopads")

    def area(self, unit: Emitted, folder: Path) -> Area:
        top = unit.config.top
        netlist = self.synthesize(unit.text, top, folder)
        return replace(self.counted(cells_of(netlist, top), {}), parts=self.parts(netlist_cells(netlist, top), {}))

    def counted(self, cells: Mapping[str, int], used: Mapping[str, int]) -> Area:
        real = {cell: count for cell, count in cells.items() if not cell.startswith("$")}
        tables = ("LUT1", "LUT2", "LUT3", "LUT4", "ALU", "RAM16S", "RAM16SDP")  # an ALU occupies a look-up table
        return Area(
            comb=sum(count for cell, count in real.items() if cell.startswith(tables)),
            ff=sum(count for cell, count in real.items() if cell.startswith("DFF")),
            dsp=sum(count for cell, count in real.items() if cell.startswith("MULT")),
            bram=sum(count for cell, count in real.items() if cell.startswith(("SP", "SDP", "DP", "pROM"))),
            cells=real,
        )

    def device(self, folder: Path) -> list[str]:
        part = DEVICES[self.part]
        ports = ("clk", "rst_pin", "source_pin", "sink_pin")
        places = "".join(f'IO_LOC "{port}" {pin};\n' for port, pin in zip(ports, part.pins, strict=True))
        (folder / "pins.cst").write_text(places, encoding="utf-8")
        return ["--device", part.device, "--vopt", f"family={part.family}", "--vopt", "cst=pins.cst"]
