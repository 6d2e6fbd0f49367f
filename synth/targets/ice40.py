"""Lattice iCE40 (Yosys ``synth_ice40``, nextpnr-ice40)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from qse_hw.synth import yosys as tools
from qse_hw.synth.result import Area
from qse_hw.synth.targets.nextpnr import Fpga

DEVICES = {"hx8k": "ct256", "up5k": "sg48"}
"""The package of each device."""


@dataclass(frozen=True, kw_only=True)
class Ice40(Fpga):
    """The fast HX8K, which has no multipliers, or the UltraPlus UP5K, which has eight.

    Args:
        part: one of :data:`DEVICES`.
    """

    part: str = "hx8k"

    devices: ClassVar[Collection[str]] = DEVICES
    family: ClassVar[str] = "ice40"
    programs: ClassVar[tuple[str, ...]] = (tools.YOSYS, tools.NEXTPNR_ICE40)
    nextpnr: ClassVar[str] = tools.NEXTPNR_ICE40
    library: ClassVar[str] = "ice40"
    pins: ClassVar[tuple[str, ...]] = ("SB_IO", "SB_GB")

    def synth(self, *, wrapped: bool) -> str:
        return "synth_ice40 -dsp -device u" if self.part == "up5k" else "synth_ice40 -device hx"

    def fitting(self) -> str:
        # Small queues request memory made of look-up tables, which these devices do not have.
        return "setattr -unset ram_style m:*; "

    def device(self, folder: Path) -> list[str]:
        return [f"--{self.part}", "--package", DEVICES[self.part]]

    def counted(self, cells: Mapping[str, int], used: Mapping[str, int]) -> Area:
        # a logic cell is a look-up table with its carry and its flop
        return Area(
            comb=used.get("ICESTORM_LC", 0),
            ff=sum(count for cell, count in cells.items() if cell.startswith("SB_DFF")),
            dsp=used.get("ICESTORM_DSP", 0),
            bram=used.get("ICESTORM_RAM", 0),
            cells=used,
        )
