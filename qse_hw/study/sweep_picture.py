"""The picture of a sweep: every target's points, accuracy against cost, and the Pareto front with its names."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib

from qse_hw.study.sweep.pareto import OBJECTIVES, front

matplotlib.use("Agg")  # no display needed

Json = dict[str, Any]


def draw(path: str | os.PathLike[str], report: Mapping[str, Any]) -> None:
    """Write a PNG: a row per target, in it the first objective against every other one, then the front's names.

    The line joins the front of the two objectives that are drawn. Points on the front of all objectives, of which there
    may be more, are filled and numbered.

    Args:
        path: the file.
        report: a document of :mod:`qse_hw.study.sweep.report`.
    """
    from matplotlib.figure import Figure

    shown = {name: _finite(report, name) for name in report["targets"]}
    shown = {name: points for name, points in shown.items() if points}
    pairs = {name: _pairs(report["targets"][name]["objectives"]) for name in shown}
    columns = max(map(len, pairs.values()), default=0) + 1
    longest = max((len(_numbered(points)) for points in shown.values()), default=0)
    height = max(3.2, 0.6 + 0.16 * longest)
    figure = Figure(figsize=(4.6 * columns, height * max(1, len(shown))), layout="constrained")
    for row, (target, points) in enumerate(shown.items()):
        for column, (x, y) in enumerate(pairs[target]):
            axes = figure.add_subplot(len(shown), columns, row * columns + column + 1)
            _scatter(axes, points, x, y)
            if column == 0:
                axes.set_title(target, loc="left", fontweight="bold")
                axes.legend(fontsize=6)
        axes = figure.add_subplot(len(shown), columns, (row + 1) * columns)
        axes.set_axis_off()
        lines = [f"{number:3d}  {name}" for name, number in _numbered(points).items()]
        text = "\n".join(["Pareto front", *lines])
        axes.text(0, 1, text, va="top", fontsize=8, family="monospace", transform=axes.transAxes)
    figure.savefig(path, format="png", dpi=110)


def _finite(report: Mapping[str, Any], target: str) -> list[Json]:
    """The target's points whose objectives are all finite."""
    names = report["targets"][target]["objectives"]
    points = [point for point in report["points"] if point["target"] == target]
    return [point for point in points if None not in (point["objectives"][name] for name in names)]


def _pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """What is drawn along x and y: costs against the first objective."""
    return [(other, names[0]) for other in names[1:]] or [(names[0], names[0])]


def _numbered(points: Sequence[Json]) -> dict[str, int]:
    """The names of the front, numbered by their first objective, the best first."""
    on_front = [point for point in points if point["front"]]
    first = next(iter(points[0]["objectives"]))
    on_front.sort(key=lambda point: -OBJECTIVES[first].sign * point["objectives"][first])
    return {point["name"]: number for number, point in enumerate(on_front, 1)}


def labels(points: Sequence[Json], x: str, y: str) -> dict[tuple[float, float], str]:
    """The numbers of the front's points by their places in the plane of two objectives."""
    numbers = _numbered(points)
    numbers_at: dict[tuple[float, float], list[int]] = {}
    for point in points:
        if point["front"]:
            place = point["objectives"][x], point["objectives"][y]
            numbers_at.setdefault(place, []).append(numbers[point["name"]])
    return {place: ",".join(map(str, sorted(here))) for place, here in sorted(numbers_at.items())}


def _scatter(axes: Any, points: Sequence[Json], x: str, y: str) -> None:
    places = [(point["objectives"][x], point["objectives"][y]) for point in points]
    axes.scatter(*zip(*places, strict=True), s=16, facecolors="none", edgecolors="0.6", label="points")
    signs = OBJECTIVES[x].sign, OBJECTIVES[y].sign
    best = sorted({places[n] for n in front([(signs[0] * a, signs[1] * b) for a, b in places])})
    axes.plot(*zip(*best, strict=True), color="tab:orange", lw=1.2, zorder=1, label="front of these two")
    numbered = labels(points, x, y)
    if numbered:  # points of infinite SQNR are not drawn
        axes.scatter(*zip(*numbered, strict=True), s=22, color="tab:blue", zorder=2, label="front of all objectives")
    for turn, (place, text) in enumerate(numbered.items()):  # neighbours on alternate sides
        offset, align = ((4, 4), "bottom") if turn % 2 == 0 else ((4, -4), "top")
        axes.annotate(text, place, offset, textcoords="offset points", va=align, fontsize=8)
    axes.set(xlabel=OBJECTIVES[x].heading, ylabel=OBJECTIVES[y].heading)
    axes.margins(0.08)
    axes.grid(alpha=0.3)
