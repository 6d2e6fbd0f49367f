"""What the unit costs: area and Fmax by target beside plain INT8, what limits the clock, energy per value."""

from collections.abc import Mapping, Sequence
from typing import Any

from qse_hw.study.report.html import Html, code, figure, join, paragraph, section, table, tag
from qse_hw.study.report.svg import Plot, ticks

AREAS = {
    "comb": "logic",
    "ff": "flops",
    "dsp": "multipliers",
    "bram": "memories",
    "silicon": "cell area",
    "nand2": "in NAND2",
}
BAR, GAP = 18, 8  # of the pictures


def section_cost(document: Mapping[str, Any]) -> Html:
    """The section; ``document``: of :func:`qse_hw.synth.report.document`, with energies or without."""
    from qse_hw.synth.report import notes

    results = document["results"]
    with_energy = [result for result in results if result.get("energy")]
    seeds = max(len(result["fmax"]["seeds"]) for result in results)
    placed = "of one placement or mapping"
    if seeds > 1:
        placed = f"the median of {seeds} placements and, in brackets, the slowest and the fastest"
    compared = " Beside it the same component built for plain INT8, and the ratio to it."
    return section(
        "cost",
        "Area, speed, energy" if with_energy else "Area and speed",
        paragraph(
            "Area is the bare unit's. Fmax is the fastest clock between registers, as the place-and-route or timing "
            f"tool estimates it, {placed}." + compared * any("baseline" in result for result in results)
        ),
        *(_target(name, [one for one in results if one["target"] == name]) for name in document["targets"]),
        *([_energy(document)] if with_energy else []),
        *(paragraph(f"{note}.") for note in notes(document)),
    )


def _target(name: str, results: Sequence[Mapping[str, Any]]) -> Html:
    kinds = [kind for kind in AREAS if any(result["area"][kind] for result in results)]
    headings = ["unit", *(AREAS[kind] for kind in kinds), "Fmax, MHz"]
    rows: list[list[str]] = []
    quiet = set()
    for result in results:
        fmax = result["fmax"]
        speed = f"{fmax['median']:.1f}"
        if len(fmax["mhz"]) > 1:
            speed += f" ({fmax['min']:.1f} to {fmax['max']:.1f})"
        rows.append([result["label"], *(_count(result["area"][kind]) for kind in kinds), speed])
        if "ratio" in result:
            quiet.add(len(rows))
            ratio = {**result["ratio"], "nand2": result["ratio"]["silicon"]}
            rows.append([f"over {result['baseline']}", *(_ratio(ratio[kind]) for kind in kinds), _ratio(ratio["fmax"])])
    return join(
        (
            tag("h3", name),
            table(f"Area and Fmax on {name}", headings, rows, quiet=quiet),
            figure(speeds(name, results), "Fmax; the thin line goes from the slowest to the fastest placement."),
            *(_path(result, shown=number == 0) for number, result in enumerate(results)),
        )
    )


def speeds(name: str, results: Sequence[Mapping[str, Any]]) -> Html:
    """Fmax of the units on a target, as bars."""
    high = max(result["fmax"]["max"] for result in results) * 1.08
    height = 58 + len(results) * (2 * BAR + GAP)
    plot = Plot(f"Fmax on {name}", x=(0, high), y=(0, 1), height=height, left=14, top=4)
    plot.axes("MHz", "", x_ticks=ticks(0, high), y_ticks=[])
    for number, result in enumerate(results):
        fmax, top = result["fmax"], plot.top + number * (2 * BAR + GAP)
        kind = "other" if number else "c1"
        (begin, _), (end, _) = plot.at(0, 0), plot.at(fmax["median"], 0)
        plot.write(result["label"], begin + 4, top + 13, kind="name")
        plot.rectangle(begin, top + BAR, end - begin, BAR, kind, f"{result['label']}: {fmax['median']:.1f} MHz")
        middle = top + 1.5 * BAR
        ends = [plot.at(fmax[edge], 0)[0] for edge in ("min", "max")]
        plot.parts.append(tag("line", x1=ends[0], x2=ends[1], y1=middle, y2=middle, class_="whisker"))
    return plot.svg()


def _path(result: Mapping[str, Any], *, shown: bool) -> Html:
    path = result["critical_path"]
    rows = [
        [code(hop["signal"]), str(hop["cells"]), f"{hop['logic']:.2f}", f"{hop['routing']:.2f}"] for hop in path["hops"]
    ]
    total = path["logic_ns"] + path["routing_ns"]
    summary = (
        f"What limits the clock of {result['label']}: {total:.2f} ns, of it {path['routing_ns']:.2f} ns on wires, "
        f"through {path['cells']} cell{'s' * (path['cells'] != 1)}"
    )
    caption = f"Critical path at {path['mhz']:.1f} MHz, by the unit's signals; the last is the register at its end"
    hops = table(caption, ["from signal", "cells", "logic, ns", "wires, ns"], rows)
    return tag("details", tag("summary", summary), "\n", hops, open="" if shown else None)


def _energy(document: Mapping[str, Any]) -> Html:
    from qse_hw.synth.energy_report import ENERGY_HEADINGS, energy_rows

    return join(
        (
            tag("h3", "Energy per value"),
            paragraph(
                "Toggles of every net, counted in the mapped netlist while it works on data, times the capacitances "
                "and internal energies of the Liberty file. No wires, no clock tree: for comparing units with each "
                "other. Of two figures the first is without glitches, the second with all that equally slow cells "
                "would make."
            ),
            table("Toggles and dynamic energy per value, and leakage", ENERGY_HEADINGS, energy_rows(document), left=3),
            tag(
                "ul",
                tag("li", tag("strong", "real"), ": activations, scaled so that their percentile step is the unit's."),
                tag("li", tag("strong", "shuffled"), ": the same in random order."),
                tag("li", tag("strong", "uniform"), ": random patterns."),
            ),
        )
    )


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
