"""The result of measuring a unit on a target: the same figures for every target."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from qse_hw.rtl_gen.emit.emit import Emitted

AREAS = ("comb", "ff", "dsp", "bram")
"""Kinds of cells that every target counts."""


@dataclass(frozen=True, kw_only=True)
class Area:
    """The area of the bare unit, without its timing wrapper.

    Attributes:
        comb: look-up tables with their carries, or combinational standard cells, as the target counts them.
        ff: flops.
        dsp: multiplier blocks of the device.
        bram: memory blocks of the device.
        silicon: area in the Liberty file's unit, for most files square micrometres; None for an FPGA.
        nand2: the same in areas of the library's smallest two-input NAND gate; None for an FPGA.
        cells: all cells, by the target's names.
        parts: ``comb``, ``ff``, ``dsp`` and ``bram`` by submodule (:mod:`qse_hw.synth.parts`), each without what its
            own submodules have; empty for standard cells.
        macros: bits of the memories by name that are left out of the area (:mod:`qse_hw.synth.memories`).
    """

    comb: int
    ff: int
    dsp: int = 0
    bram: int = 0
    silicon: float | None = None
    nand2: float | None = None
    cells: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    macros: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Hop:
    """A part of a path, from one named signal of the unit to the next.

    Attributes:
        signal: where the part begins, as the unit's Verilog calls it; ``(input)`` and ``(output)`` are its ports.
        logic, routing: ns within cells and between them.
        cells: number of cells on the part, without the flops at its ends.
    """

    signal: str
    logic: float
    routing: float
    cells: int


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Timing of one placement, or of one mapping to standard cells.

    Attributes:
        mhz: the highest clock frequency.
        path: the critical path from register to register; the last hop is the register at its end.
        without_setup: flops' inputs for which the library has no setup time; paths to them are timed up to the pin.
    """

    mhz: float
    path: tuple[Hop, ...] = ()
    without_setup: tuple[str, ...] = ()

    @property
    def logic(self) -> float:
        """ns of the path within cells, clock-to-output and setup included."""
        return sum(hop.logic for hop in self.path)

    @property
    def routing(self) -> float:
        """ns of the path between cells."""
        return sum(hop.routing for hop in self.path)

    @property
    def cells(self) -> int:
        """Number of cells between the flops."""
        return sum(hop.cells for hop in self.path)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Area and timing of a unit on a target.

    Attributes:
        unit: the unit.
        target: name of the target.
        area: of the bare unit.
        timing: by seed of the placement, in order.
        transistors: Yosys' estimate for the bare unit in static CMOS; None if it cannot count some cell.
    """

    unit: Emitted
    target: str
    area: Area
    timing: Mapping[int, Timing]
    transistors: int | None = None

    @property
    def median(self) -> float:
        """The median of the seeds' Fmax, MHz."""
        return median(timing.mhz for timing in self.timing.values())

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest Fmax of the seeds, MHz."""
        speeds = [timing.mhz for timing in self.timing.values()]
        return min(speeds), max(speeds)

    @property
    def typical(self) -> Timing:
        """The placement whose Fmax is nearest to the median; the slower one if two are equally near."""
        return min(self.timing.values(), key=lambda timing: (abs(timing.mhz - self.median), timing.mhz))
