"""The pictures of docs/hardware.md."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

matplotlib.use("Agg")  # no display needed

DOCS = Path(__file__).parent
COLORS = {"s16": "tab:blue", "bf16": "tab:orange", "fp32": "tab:green"}
Load = Callable[[str], dict[str, Any]]


def draw_all(load: Load) -> None:
    """All of them, into docs/."""
    _overhead({input: load(f"hardware-formats-{input}") for input in COLORS}, DOCS / "hardware-overhead.png")
    _pipeline(load("hardware-pipeline"), DOCS / "hardware-pipeline.png")
    _lanes(load("hardware-lanes"), DOCS / "hardware-lanes.png")


def _overhead(documents: dict[str, dict[str, Any]], path: Path) -> None:
    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    targets = list(documents["s16"]["targets"])
    for axis, title, value in (
        (axes[0], "area: logic cells, or silicon", lambda ratio: ratio["silicon"] or ratio["comb"]),
        (axes[1], "Fmax", lambda ratio: ratio["fmax"]),
    ):
        for shift, (input, document) in enumerate(documents.items()):
            soft = [one for one in document["results"] if one["parameters"]["format"]["name"] == "se8"]
            ratios = {one["target"]: one["ratio"] for one in soft}
            places = [number + 0.27 * (1 - shift) for number in range(len(targets))]
            axis.barh(places, [value(ratios[name]) for name in targets], height=0.25, color=COLORS[input], label=input)
        axis.axvline(1.0, color="black", lw=1)
        axis.set(xlabel="se8 over int8", title=title)
    axes[0].set_yticks(range(len(targets)), targets)
    axes[0].invert_yaxis()
    handles, labels = axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, title="input", loc="outside right upper")
    figure.savefig(path, dpi=110)


def _pipeline(document: dict[str, Any], path: Path) -> None:
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for target, color in zip(document["targets"], ("tab:blue", "tab:orange"), strict=True):
        for format, style in (("se8", "-"), ("int8", "--")):
            results = _of(document, target, format)
            latency = [one["latency"] for one in results]
            speeds = [one["fmax"] for one in results]
            median = [one["median"] for one in speeds]
            spread = [[m - one["min"] for m, one in zip(median, speeds, strict=True)],
                      [one["max"] - m for m, one in zip(median, speeds, strict=True)]]  # fmt: skip
            label = f"{target}, {format}"
            axes.errorbar(latency, median, spread, color=color, ls=style, marker="o", capsize=2, label=label)
    axes.set(xlabel="latency, cycles", ylabel="Fmax, MHz (median and range)", title="Registers against Fmax, s16")
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=110)


def _lanes(document: dict[str, Any], path: Path) -> None:
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for target, color in zip(document["targets"], ("tab:blue", "tab:orange"), strict=True):
        for format, style in (("se8", "-"), ("int8", "--")):
            results = _of(document, target, format)
            lanes = [one["parameters"]["lanes"] for one in results]
            one_lane = results[0]["area"]
            kind = "silicon" if one_lane["silicon"] is not None else "comb"
            growth = [one["area"][kind] / one_lane[kind] / n for one, n in zip(results, lanes, strict=True)]
            left.plot(lanes, growth, color=color, ls=style, marker="o", label=f"{target}, {format}")
            right.plot(lanes, [one["fmax"]["median"] for one in results], color=color, ls=style, marker="o")
    left.set(xlabel="lanes", ylabel="area per lane, over that of one lane", xscale="log", ylim=(0, None))
    right.set(xlabel="lanes", ylabel="Fmax, MHz", xscale="log", ylim=(0, None))
    for axis in (left, right):
        axis.set_xticks(lanes, [str(n) for n in lanes])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    left.legend()
    figure.savefig(path, dpi=110)


def _of(document: dict[str, Any], target: str, format: str) -> list[dict[str, Any]]:
    of_target = [one for one in document["results"] if one["target"] == target]
    return [one for one in of_target if one["parameters"]["format"]["name"] == format]
