"""The ECP5 flow: Verilog to area (of the bare unit, packed) and to Fmax (in the frame of :mod:`synth.harness`)."""

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from operator import index
from pathlib import Path
from statistics import median
from typing import Any

from golden.errors import InputError
from rtl_gen.emit import Emitted
from synth.cmos import transistors
from synth.harness import HARNESS, harness
from synth.tools import NEXTPNR, YOSYS, run

DEVICE, PACKAGE = "LFE5U-45F", "CABGA381"
SPEEDS = (6, 8)


@dataclass(frozen=True, kw_only=True)
class Target:
    """What to place and route for.

    Args:
        speed: the device's speed grade, one of :data:`SPEEDS`; 8 is the faster one.
        freq: the clock that the tools aim at, MHz.
        seeds: how many placements to try; their seeds are 1, 2, ...
    """

    speed: int = 6
    freq: float = 400.0
    seeds: int = 3

    def __post_init__(self) -> None:
        if self.speed not in SPEEDS:
            raise InputError(f"Speed grade must be one of {', '.join(map(str, SPEEDS))}, not {self.speed!r}")
        if not 1 <= self.freq <= 2000:  # false for NaN, too
            raise InputError(f"Frequency must be from 1 to 2000 MHz, not {self.freq!r}")
        if not 1 <= index(self.seeds) <= 1000:
            raise InputError(f"Seeds must be from 1 to 1000, not {self.seeds!r}")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a unit costs.

    Attributes:
        unit: what was measured.
        cells: used cells of the bare unit by type, after packing, without those that are not used.
        fmax: MHz, by seed.
        transistors: of the bare unit in static CMOS; None if it has cells that cannot be counted so.
    """

    unit: Emitted
    cells: Mapping[str, int]
    fmax: Mapping[int, float]
    transistors: int | None = None

    @property
    def comb(self) -> int:
        """Look-up tables: logic, carries and LUTRAM."""
        return self.cells.get("TRELLIS_COMB", 0)

    @property
    def ff(self) -> int:
        """Flops."""
        return self.cells.get("TRELLIS_FF", 0)

    @property
    def dsp(self) -> int:
        """18x18 multipliers."""
        return self.cells.get("MULT18X18D", 0)

    @property
    def bram(self) -> int:
        """Block RAMs."""
        return self.cells.get("DP16KD", 0)

    @property
    def median(self) -> float:
        """The median of the seeds' Fmax, MHz."""
        return median(self.fmax.values())


def measure(units: Sequence[Emitted], target: Target, step: Callable[[str], None] = lambda _: None) -> list[Measured]:
    """Area and Fmax of ``units``; seeds run in parallel, one per core.

    Args:
        units: what to measure.
        target: device grade and seeds.
        step: called with a description after each of the ``len(units) * (1 + seeds)`` steps.

    Raises:
        InputError: if a tool is missing or fails, or a unit does not fit the device.
    """
    cells: dict[int, tuple[dict[str, int], int | None]] = {}
    fmax: list[dict[int, float]] = [{} for _ in units]
    with tempfile.TemporaryDirectory(prefix="qse-synth-") as temporary, ThreadPoolExecutor(_cores()) as pool:
        folders = [Path(temporary) / str(number) for number in range(len(units))]
        try:
            jobs: dict[Future[Any], tuple[int, int | None]] = {}
            for number, (unit, folder) in enumerate(zip(units, folders, strict=True)):
                folder.mkdir()
                jobs[pool.submit(_prepare, unit, folder)] = (number, None)
            for job in as_completed(jobs):
                number, _ = jobs[job]
                cells[number] = job.result()
                step(f"area of {units[number].config.label}")
            jobs = {
                pool.submit(fmax_of, folder, seed, target): (number, seed)
                for number, folder in enumerate(folders)
                for seed in range(1, target.seeds + 1)
            }
            for job in as_completed(jobs):
                number, seed = jobs[job]
                assert seed is not None
                fmax[number][seed] = job.result()
                step(f"Fmax of {units[number].config.label}, seed {seed}")
        finally:
            pool.shutdown(cancel_futures=True)
    return [
        Measured(
            unit=unit,
            cells=cells[number][0],
            fmax=dict(sorted(fmax[number].items())),
            transistors=cells[number][1],
        )
        for number, unit in enumerate(units)
    ]


def _prepare(unit: Emitted, folder: Path) -> tuple[dict[str, int], int | None]:
    """Synthesise bare and framed; returns the packed cells and the transistors of the bare one."""
    cells = area_of(unit, folder)
    synthesise(unit.text + harness(unit.config.top, unit.ports), HARNESS, folder)
    return cells, transistors(unit, folder)


def synthesise(verilog: str, top: str, folder: Path) -> Path:
    """Verilog to a netlist of ECP5 cells, ``TOP.json`` in ``folder``."""
    (folder / f"{top}.v").write_text(verilog, encoding="utf-8")
    # Without aliases: Amaranth names an array's element "o__payload[0]", and abc9 (Yosys 0.70) may stumble over a wire
    # that is called as a bit of another one.
    unaliased = f"hierarchy -check -top {top}; proc; flatten; opt_clean -purge"
    read = f"read_verilog -lib -specify +/ecp5/cells_sim.v +/ecp5/cells_bb.v; read_verilog {top}.v"
    script = f"{read}; {unaliased}; synth_ecp5 -top {top} -json {top}.json"
    run(YOSYS, ["-q", "-p", script], folder, log=f"{top}.log")
    return folder / f"{top}.json"


def area_of(unit: Emitted, folder: Path) -> dict[str, int]:
    """Cells of the bare unit after packing, by type.

    Raises:
        InputError: if a tool fails, or the device has fewer cells.
    """
    top = unit.config.top
    synthesise(unit.text, top, folder)
    report = _nextpnr(["--json", f"{top}.json", "--out-of-context", "--pack-only"], folder, "area.json")
    for cell, count in report["utilization"].items():
        if count["used"] > count["available"]:
            raise InputError(
                f"Unit must fit the {DEVICE}, which has {count['available']} {cell}, not {count['used']}; "
                "measure fewer lanes"
            )
    return {cell: count["used"] for cell, count in sorted(report["utilization"].items()) if count["used"]}


def fmax_of(folder: Path, seed: int, target: Target) -> float:
    """MHz that the framed unit in ``folder`` (see :func:`synthesise`) reaches when placed with ``seed``.

    Raises:
        InputError: if it cannot be placed and routed, or nothing is clocked.
    """
    options = ["--speed", str(target.speed), "--freq", str(target.freq), "--seed", str(seed), "--timing-allow-fail"]
    try:
        report = _nextpnr(["--json", f"{HARNESS}.json", *options], folder, f"seed{seed}.json")
    except InputError as error:
        raise InputError(f"{error} (place and route, seed {seed})") from error
    clocks = [clock["achieved"] for clock in report["fmax"].values()]
    if len(clocks) != 1:
        raise InputError(f"Unit must have one clock, not {len(clocks)} (place and route, seed {seed})")
    return float(clocks[0])


def _nextpnr(options: list[str], folder: Path, report: str) -> dict[str, Any]:
    device = ["--45k", "--package", PACKAGE, "--threads", "1", "--quiet"]
    run(NEXTPNR, [*device, *options, "--report", report], folder, log=f"{report}.log")
    document: dict[str, Any] = json.loads((folder / report).read_text(encoding="utf-8"))
    return document


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
