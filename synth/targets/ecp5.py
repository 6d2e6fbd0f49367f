"""Lattice ECP5 (Yosys ``synth_ecp5``, nextpnr-ecp5)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from qse_hw.synth import yosys as tools
from qse_hw.synth.result import Area
from qse_hw.synth.targets.nextpnr import Fpga

DEVICES = tuple(f"{size}k-{grade}" for size in (25, 45, 85) for grade in (6, 7, 8))
PACKAGE = "CABGA381"


@dataclass(frozen=True, kw_only=True)
class Ecp5(Fpga):
    """LFE5U-25F, -45F or -85F; nextpnr does not model timing inside the DSP, so a multiplier never limits the clock.

    Args:
        part: thousands of look-up tables and speed grade (8 is the fastest), one of :data:`DEVICES`.
    """

    part: str = "45k-6"

    devices: ClassVar[Collection[str]] = DEVICES
    family: ClassVar[str] = "ecp5"
    builds: ClassVar[tuple[str, ...]] = ("generic", "ecp5")
    programs: ClassVar[tuple[str, ...]] = (tools.YOSYS, tools.NEXTPNR)
    nextpnr: ClassVar[str] = tools.NEXTPNR
    library: ClassVar[str] = "ecp5"
    pins: ClassVar[tuple[str, ...]] = ("TRELLIS_IO",)

    def describe(self) -> dict[str, Any]:
        size, _, grade = self.part.partition("k-")
        device = {"device": f"LFE5U-{size}F", "package": PACKAGE, "speed": int(grade)}
        return super().describe() | device

    def synth(self, *, wrapped: bool) -> str:
        return "synth_ecp5"

    def reading(self) -> str:
        return "read_verilog -lib -specify +/ecp5/cells_sim.v +/ecp5/cells_bb.v; "

    def device(self, folder: Path) -> list[str]:
        size, _, grade = self.part.partition("-")
        return [f"--{size}", "--package", PACKAGE, "--speed", grade]

    def bare(self) -> list[str]:
        return ["--out-of-context"]

    def counted(self, cells: Mapping[str, int], used: Mapping[str, int]) -> Area:
        return Area(
            comb=used.get("TRELLIS_COMB", 0),
            ff=used.get("TRELLIS_FF", 0),
            dsp=used.get("MULT18X18D", 0),
            bram=used.get("DP16KD", 0),
            cells=used,
        )
