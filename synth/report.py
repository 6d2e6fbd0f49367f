"""Measurements as a JSON document, as a table for the terminal and as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from qse_hw.golden.io.environment import environment
from qse_hw.synth.energy_report import ENERGY_HEADINGS, TOKEN_HEADINGS, energy_rows, token_energy_rows
from qse_hw.synth.parts import within
from qse_hw.synth.result import AREAS, Measured
from qse_hw.synth.targets.base import Target
from qse_hw.synth.yosys import version

SCHEMA = "qse-hw/synth/3"
HEADINGS = ("latency", "II", "COMB", "FF", "DSP", "BRAM", "area", "NAND2", "Fmax/MHz (min-max)", "kT")


def document(
    measured: Sequence[Measured],
    targets: Mapping[str, Target],
    command: str,
    baselines: Sequence[int | None],
    *,
    parts: int = 0,
) -> dict[str, Any]:
    """The report as JSON.

    Args:
        measured: the results.
        targets: the targets, by name.
        command: the command that reproduces the figures.
        baselines: for each result the index of its baseline among the results; None if it has none.
        parts: levels of submodules whose areas are told; 0: none.
    """
    used = dict.fromkeys(tool for target in targets.values() for tool in target.programs)
    about = environment()
    return {
        "schema": SCHEMA,
        "command": command,
        **about,
        "versions": about["versions"] | {tool: version(tool) for tool in used},
        "targets": {name: target.describe() for name, target in targets.items()},
        "results": [
            _result(one, None if number is None else measured[number], parts)
            for one, number in zip(measured, baselines, strict=True)
        ],
    }


def _result(measured: Measured, baseline: Measured | None, parts: int) -> dict[str, Any]:
    config, area, (low, high) = measured.unit.config, asdict(measured.area), measured.spread
    cells, inside, macros = (area.pop(name) for name in ("cells", "parts", "macros"))
    path = measured.typical
    result: dict[str, Any] = {
        "label": config.label,
        "target": measured.target,
        "parameters": config.parameters(),
        "latency": measured.unit.latency,
        "initiation_interval": config.initiation_interval,
        "area": area,
        "cells": dict(cells),
        "transistors": measured.transistors,
        "fmax": {
            "seeds": list(measured.timing),
            "mhz": [timing.mhz for timing in measured.timing.values()],
            "median": measured.median,
            "min": low,
            "max": high,
        },
        "critical_path": {
            "mhz": path.mhz,
            "cells": path.cells,
            "logic_ns": path.logic,
            "routing_ns": path.routing,
            "hops": [asdict(hop) for hop in path.path],
        },
    }
    if path.without_setup:
        result["without_setup"] = list(path.without_setup)
    if macros:
        result["macros"] = macros
    if parts and inside:
        result["parts"] = within(inside, parts)
    if config.lanes > 1:
        result["area_per_lane"] = {
            name: None if count is None else count / config.lanes for name, count in area.items()
        }
    if baseline is not None:
        result["baseline"] = baseline.unit.config.label
        result["ratio"] = ratio(measured, baseline)
    return result


def ratio(measured: Measured, baseline: Measured) -> dict[str, float | None]:
    """Areas and median Fmax divided by the baseline's; None where either is missing."""
    ours, theirs = asdict(measured.area), asdict(baseline.area)
    pairs = {name: (ours[name], theirs[name]) for name in (*AREAS, "silicon")}
    pairs |= {"fmax": (measured.median, baseline.median), "transistors": (measured.transistors, baseline.transistors)}
    return {name: one / other if one is not None and other else None for name, (one, other) in pairs.items()}


def rows(report: Mapping[str, Any]) -> list[list[str]]:
    """The results of a document as rows for unit, target and :data:`HEADINGS`; per lane and ratios in rows below.

    Latency and initiation interval (II) are in cycles.
    """
    lines = []
    for result in report["results"]:
        fmax = result["fmax"]
        speed = f"{fmax['median']:.1f} ({fmax['min']:.1f}-{fmax['max']:.1f})"
        kilo = "-" if result["transistors"] is None else f"{result['transistors'] / 1000:.1f}"
        cycles = [str(result["latency"]), f"{result['initiation_interval']:g}"]
        lines.append([result["label"], result["target"], *cycles, *_areas(result["area"]), speed, kilo])
        if "area_per_lane" in result:
            lines.append(["  per lane", "", "", "", *_areas(result["area_per_lane"]), "", ""])
        if "ratio" in result:
            factors = result["ratio"]
            shown = [*AREAS, "silicon", "silicon", "fmax", "transistors"]
            words = ["-" if factors[name] is None else f"{factors[name]:.2f}" for name in shown]
            lines.append([f"  over {result['baseline']}", "", "", "", *words])
    return lines


def _areas(area: Mapping[str, Any]) -> list[str]:
    return ["-" if area[name] is None else f"{area[name]:.5g}" for name in (*AREAS, "silicon", "nand2")]


def table(report: Mapping[str, Any]) -> Table:
    """The results as a table for the terminal, without empty columns."""
    seeds = {len(result["fmax"]["seeds"]) for result in report["results"]}
    columns, lines = filled(report)
    return _table(f"median (range) of {' or '.join(map(str, sorted(seeds)))} placements", columns, lines, texts=2)


def _table(title: str, headings: Sequence[str], lines: Sequence[Sequence[str]], *, texts: int) -> Table:
    """A table for the terminal, whose first ``texts`` columns are words and the others numbers."""
    shown = Table(title=title)
    for number, heading in enumerate(headings):
        shown.add_column(heading, justify="left" if number < texts else "right")
    for line in lines:
        shown.add_row(*line)
    return shown


PART_HEADINGS = ("unit", "target", "part", "COMB", "FF", "DSP", "BRAM")


def part_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """The areas of units' parts as rows for :data:`PART_HEADINGS`."""
    return [
        [result["label"], result["target"], part or "(itself)", *(str(area[kind]) for kind in AREAS)]
        for result in report["results"]
        for part, area in result.get("parts", {}).items()
    ]


def part_table(report: Mapping[str, Any]) -> Table:
    """The areas of units' parts as a table for the terminal."""
    return _table("area by part", PART_HEADINGS, part_rows(report), texts=3)


def energy_tables(report: Mapping[str, Any]) -> list[Table]:
    """Toggles and energy as tables for the terminal, of units and of models."""
    title = "range: without glitches - with the glitches of equally slow cells"
    tables = [(ENERGY_HEADINGS, energy_rows(report), 3), (TOKEN_HEADINGS, token_energy_rows(report), 2)]
    return [_table(title, headings, lines, texts=texts) for headings, lines, texts in tables if lines]


def notes(report: Mapping[str, Any]) -> list[str]:
    """Which figures are missing, and why: cells left out of a library, figures that it does not give; a line each."""
    lines = []
    for name, target in report["targets"].items():
        reasons = [f"{cell} ({why})" for cell, why in target.get("left_out", {}).items()]
        if reasons:
            more = f"; and {len(reasons) - NOTED} more" if len(reasons) > NOTED else ""
            lines.append(f"{name}: left out of the library's cells: {'; '.join(reasons[:NOTED])}{more}")
        if "no_energy" in target:
            lines.append(f"no energy on {name}: {target['no_energy']}")
    for result in report["results"]:
        if macros := result.get("macros"):
            bits = f"{len(macros)} memories of {sum(macros.values()):,} bits"
            lines.append(f"not in the area of {result['label']} on {result['target']}: {bits}, which are macros")
        for pin in result.get("without_setup", ()):
            lines.append(f"no setup time of pin {pin} on {result['target']}: paths to it are timed up to the pin")
        spent = result.get("energy_per_token")
        if spent and (outside := spent["macros"]):
            read, written = (sum(macro[way] * macro["bits"] for macro in outside) for way in ("reads", "writes"))
            lines.append(
                f"not in the energy of {result['label']} on {result['target']}: the macros, of which a token reads "
                f"{read:,.0f} bits and writes {written:,.0f}"
            )
        for one in (*result.get("energy", ()), *([spent] if spent else [])):
            lines += [f"no {what} on {result['target']}: {why}" for what, why in one.get("missing", {}).items()]
    return list(dict.fromkeys(lines))


NOTED = 5  # cells named in a note at most


def filled(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows, without the columns that are empty in all rows."""
    lines = rows(report)
    headings = ["unit", "target", *HEADINGS]
    kept = [n for n in range(len(headings)) if any(line[n] not in ("-", "", "0") for line in lines)]
    return [headings[n] for n in kept], [[line[n] for n in kept] for line in lines]


def paths(report: Mapping[str, Any]) -> list[str]:
    """The critical path of each unit, in a line each."""
    lines = []
    for result in report["results"]:
        path = result["critical_path"]
        names = [hop["signal"] for hop in path["hops"]]
        total = path["logic_ns"] + path["routing_ns"]
        cells = "1 cell" if path["cells"] == 1 else f"{path['cells']} cells"
        share = f"{total:.2f} ns, {path['routing_ns']:.2f} ns of it in wires, through {cells}"
        lines.append(f"{result['label']} on {result['target']}: {' > '.join(names)}; {share}")
    return lines


def markdown(report: Mapping[str, Any]) -> str:
    """The document as a page: command, tables, critical paths, versions."""
    columns, lines = filled(report)
    body = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    body += [f"| {' | '.join(cell.strip() for cell in line)} |" for line in lines]
    versions = ", ".join(f"{tool} {report['versions'][tool]}" for tool in _tools(report))
    return "\n".join(
        [
            "# Area and timing",
            "",
            f"    {report['command']}",
            "",
            *body,
            "",
            *_rows(PART_HEADINGS, part_rows(report)),
            *_rows(ENERGY_HEADINGS, energy_rows(report)),
            *_rows(TOKEN_HEADINGS, token_energy_rows(report)),
            *(line for note in notes(report) for line in (f"{note}.", "")),
            "What limits the clock, by the unit's signals, in the placement nearest to the median:",
            "",
            *(f"- {line}" for line in paths(report)),
            "",
            f"{versions}; commit {report['commit']}.",
            "",
        ]
    )


def _rows(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """A table and an empty line, or nothing."""
    if not lines:
        return []
    body = [f"| {' | '.join(headings)} |", f"|{' --- |' * len(headings)}"]
    return [*body, *(f"| {' | '.join(line)} |" for line in lines), ""]


def _tools(report: Mapping[str, Any]) -> list[str]:
    return [tool for tool in report["versions"] if tool.startswith(("yowasp", "pyosys"))]
