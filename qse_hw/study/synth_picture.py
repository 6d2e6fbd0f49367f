"""The picture of a synthesis report: area and Fmax of every unit, target by target."""

import os
from collections.abc import Mapping
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no display needed


def draw(path: str | os.PathLike[str], report: Mapping[str, Any]) -> None:
    """Write a PNG.

    Args:
        path: the file.
        report: a document of :mod:`qse_hw.synth.report`.
    """
    from matplotlib.figure import Figure

    targets = list(report["targets"])
    results = {name: [one for one in report["results"] if one["target"] == name] for name in targets}
    height = 1.2 + sum(0.7 + 0.32 * len(units) for units in results.values())
    figure = Figure(figsize=(12, height), layout="constrained")
    axes = figure.subplots(len(targets), 2, squeeze=False, height_ratios=[len(results[name]) + 2 for name in targets])
    for (left, right), name in zip(axes, targets, strict=True):
        units = results[name][::-1]  # barh begins at the bottom
        labels = [one["label"] for one in units]
        _area(left, labels, units)
        _speed(right, units)
        left.set_title(name, loc="left", fontweight="bold")
    figure.savefig(path, format="png", dpi=110)


def _area(axis: Any, labels: list[str], units: list[Mapping[str, Any]]) -> None:
    places = range(len(labels))
    if units[0]["area"]["silicon"] is not None:
        axis.barh(places, [one["area"]["silicon"] for one in units], color="#4c78a8")
        axis.set_xlabel("cell area (the Liberty file's unit)")
    else:
        comb, flops = ([one["area"][kind] for one in units] for kind in ("comb", "ff"))
        axis.barh(places, comb, height=0.4, align="edge", color="#4c78a8", label="logic cells")
        axis.barh([place - 0.4 for place in places], flops, height=0.4, align="edge", color="#9ecae9", label="flops")
        for place, one in zip(places, units, strict=True):
            if one["area"]["dsp"]:
                axis.annotate(
                    f" +{one['area']['dsp']} DSP", (max(comb[place], flops[place]), place), va="center", fontsize=7
                )
        axis.legend(fontsize=7)
        axis.set_xlabel("cells")
    axis.set_yticks(places, labels, fontsize=8)


def _speed(axis: Any, units: list[Mapping[str, Any]]) -> None:
    speeds = [one["fmax"] for one in units]
    medians = [speed["median"] for speed in speeds]
    below = [speed["median"] - speed["min"] for speed in speeds]
    above = [speed["max"] - speed["median"] for speed in speeds]
    axis.barh(range(len(units)), medians, xerr=[below, above], color="#f58518", capsize=2)
    axis.set_yticks([])
    axis.set_xlabel("Fmax, MHz: median and range of the placements")
