"""A sweep as a JSON document, as tables for the terminal and as Markdown."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from qse_hw.golden.calibration.calibration import size_in_words
from qse_hw.golden.io.environment import environment
from qse_hw.study.sweep.pareto import OBJECTIVES, compared
from qse_hw.study.sweep.spec import Spec
from qse_hw.synth.targets.base import Target
from qse_hw.synth.yosys import version

SCHEMA = "qse-hw/sweep/1"
Json = dict[str, Any]


def document(
    spec: Spec,
    command: str,
    activations: Json | None,
    targets: Sequence[Target],
    points: Sequence[Json],
    skipped: Sequence[Json],
) -> Json:
    """The report.

    Points gain ``objectives``, their figures (null: infinite, or there is none), and ``front``, whether they are on it.

    Args:
        spec: what was asked for.
        command: that makes the same figures.
        activations: where they are from, and the limit of every layer.
        targets: all that were asked for.
        points: name, unit, options, accuracy, and cost as in :mod:`qse_hw.synth.report`.
        skipped: name, target or null, reason.

    Raises:
        InputError: if a target has none of the objectives.
    """
    provenance = environment()
    used = dict.fromkeys(tool for target in targets for tool in target.programs)
    shown: list[Json] = []
    described: Json = {}
    for target in targets:
        mine = [point for point in points if point["target"] == target.name]
        objectives, front = compared(mine, spec.objectives) if mine else ([], [])
        described[target.name] = target.describe() | {"objectives": objectives}
        for number, point in enumerate(mine):
            shown.append(point | {"objectives": _figures(point, spec.objectives), "front": number in front})
    return {
        "schema": SCHEMA,
        "command": command,
        **provenance,
        "versions": provenance["versions"] | {tool: version(tool) for tool in used},
        "spec": spec.document,
        "activations": activations,
        "targets": described,
        "points": shown,
        "skipped": list(skipped),
    }


def _figures(point: Json, names: Sequence[str]) -> dict[str, float | None]:
    values = {name: OBJECTIVES[name].value(point) for name in names}
    return {name: None if value is None or math.isinf(value) else value for name, value in values.items()}


def rows(report: Mapping[str, Any], target: str, *, front: bool) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of a target's points, or of its front only, best first by the first objective."""
    names = report["targets"][target]["objectives"]
    points = [point for point in report["points"] if point["target"] == target and (point["front"] or not front)]
    if names:
        first = OBJECTIVES[names[0]].sign
        points.sort(key=lambda point: -first * _number(point["objectives"][names[0]]))
    headings = ["unit", *(OBJECTIVES[name].heading for name in names)]
    return headings, [[point["name"], *(_text(point["objectives"][name]) for name in names)] for point in points]


def markdown(report: Mapping[str, Any]) -> str:
    """The document as a page: the fronts, all points, what was skipped, with what it was made."""
    lines = ["# Design space", "", f"    {report['command']}", ""]
    if report["activations"] is not None:
        about = report["activations"]
        size = f"{about['layers']} layers of {about['tokens']} x {size_in_words(about['channels'])}"
        lines += [f"Accuracy on {about['origin']}: {size}.", ""]
    for target in report["targets"]:
        for front in (True, False):
            headings, cells = rows(report, target, front=front)
            if not cells:
                continue
            lines += [f"## {target}: {'Pareto front' if front else 'all points'}", "", *_markdown(headings, cells), ""]
    if report["skipped"]:
        lines += ["## Skipped", ""]
        lines += [f"- {one['name']}{_where(one)}: {one['reason']}" for one in report["skipped"]]
        lines.append("")
    tools = [f"{tool} {cells}" for tool, cells in report["versions"].items() if tool.startswith(("yowasp", "pyosys"))]
    return "\n".join([*lines, f"{', '.join(tools)}; commit {report['commit']}.", ""])


def _where(skipped: Json) -> str:
    return "" if skipped["target"] is None else f" on {skipped['target']}"


def _markdown(headings: list[str], cells: list[list[str]]) -> list[str]:
    marks = ["---", *("---:" for _ in headings[1:])]
    return [f"| {' | '.join(row)} |" for row in (headings, marks, *cells)]


def _text(value: float | None) -> str:
    return "inf" if value is None else str(value) if isinstance(value, int) else f"{value:.2f}"


def _number(value: float | None) -> float:
    return math.inf if value is None else value
