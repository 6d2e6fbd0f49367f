"""Writes the computed parts of docs/verification.md from the evidence files: python docs/verification.py [--check].

The files are docs/results/verify-NAME.json, each written by the command that did the check
(:mod:`qse_hw.golden.io.evidence`).
"""

import json
import sys
from pathlib import Path
from typing import Any

import age
from blocks import fill, markdown
from renamed import renamed

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "verification.md"
RESULTS = ROOT / "docs" / "results"

COLUMNS = {
    "exhaustive": ("label", "patterns", "scales", "values", "wrong", "wrong_flags"),
    "exhaustive-fp32": ("label", "patterns", "scales", "values", "wrong", "wrong_flags"),
    "fuzz": ("name", "cases", "accepted"),
    "mutation-netlist": ("name", "mutants", "killed", "equivalent", "different", "unresolved", "score"),
    "mutation-python": (
        "what", "mutants", "killed", "timed_out", "equivalent", "survived", "mistaken", "score", "goal",
    ),
    "oracles": ("comparison", "oracle", "values", "differences", "ties", "unexplained"),
    "reproducibility": ("run", "artefacts", "different"),
    "whole-model": ("run", "values", "cycles", "wrong_codes", "wrong_values", "missing", "extra", "violations"),
}  # fmt: skip
DEPENDS_ON = {
    **dict.fromkeys(("formal", "formal-faults", "formal-memory", "formal-memory-faults"), age.SYNTHESIS),
    **dict.fromkeys(("exhaustive", "exhaustive-fp32", "whole-model", "oracles"), age.SIMULATION),
    "mutation-netlist": (*age.SIMULATION, "synth"), "mutation-python": (*age.SIMULATION, age.TESTS),
    "coverage": age.ALL, "fuzz": age.FLOORS, "reproducibility": ("golden", "rtl_gen"),
}  # fmt: skip
"""The parts of the sources that each result depends on."""
ORDER = (
    "formal", "formal-faults", "formal-memory", "formal-memory-faults", "exhaustive", "exhaustive-fp32", "whole-model",
    "mutation-netlist", "mutation-python", "coverage", "fuzz", "oracles", "reproducibility",
)  # fmt: skip


def load() -> dict[str, dict[str, Any]]:
    """The evidence files, by name, in the page's order."""
    paths = {name: RESULTS / f"verify-{name}.json" for name in ORDER}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.exists()}


def summary(documents: dict[str, dict[str, Any]], now: age.Digests) -> str:
    """A row per file: the claim, the command that checks it, the last result, and what has changed since.

    Args:
        documents: the evidence files, by name.
        now: as :func:`age.digests` gives them.
    """
    rows = [
        [
            document["claim"],
            figures(document),
            f"`{document['command']}`",
            duration(document["seconds"]),
            f"{outcome(name, document)}, {document['date']}, {(document['commit'] or '')[:7]}",
            f"**yes**: {since}" if (since := age.changed(document, DEPENDS_ON[name], now)) else "no",
        ]
        for name, document in documents.items()
    ]
    table = markdown(["claim", "evidence", "command", "time", "last result", "older than the code"], rows)
    return f"{table}\n\n{age.compared(now, age.ALL)}"


def figures(document: dict[str, Any]) -> str:
    """The figures of a file, named by its keys, without the seed and the seconds by stage."""
    shown = {name: value for name, value in document["figures"].items() if name not in ("seed", "seconds_by_stage")}
    return "; ".join(f"{name.replace('_', ' ')}: {number(value)}" for name, value in shown.items())


def number(value: Any) -> str:
    """A figure, rounded for the page."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def duration(seconds: float) -> str:
    """Seconds, or minutes where they are many."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def items(name: str, document: dict[str, Any]) -> str:
    """A row per thing checked, with the columns of :data:`COLUMNS`; of proofs a row per unit."""
    checked = document["items"]
    if name in ("formal", "formal-memory"):
        return proofs(checked)
    if name in ("formal-faults", "formal-memory-faults"):
        return faults(checked)
    if name == "coverage":
        return coverage(checked)
    columns = COLUMNS[name]
    if name == "mutation-python":
        checked = [{"goal": "not recorded", **item} for item in checked]  # older files have no goals
    rows = [[*(number(renamed(item[column])) for column in columns), verdict(item)] for item in checked]
    return markdown([*(column.replace("_", " ") for column in columns), "result"], rows)


def proofs(checked: list[dict[str, Any]]) -> str:
    """A row per unit: which properties hold without bound, which over a window, what was reached."""
    kinds = {"without bound": "unbounded", "over a window from any state": "window", "reached": "reached"}
    units = dict.fromkeys((item["unit"], item.get("scale", "")) for item in checked)
    rows = []
    for unit, scale in units:
        mine = [item for item in checked if (item["unit"], item.get("scale", "")) == (unit, scale)]
        names = {kind: [item["property"] for item in mine if kind_of(item) == key] for kind, key in kinds.items()}
        label = f"{unit}, {scale}" if scale else unit
        seconds = f"{sum(item['seconds'] for item in mine):.0f} s"
        passed = result(all(item["passed"] for item in mine))
        rows.append([label, *map(", ".join, names.values()), seconds, passed])
    return markdown(["unit", *kinds, "time", "result"], rows)


def kind_of(item: dict[str, Any]) -> str:
    """Whether a proof has no bound, covers a window, or shows that a case is reached."""
    return "reached" if "reached" in item else "unbounded" if item["how"] == "unbounded" else "window"


def faults(checked: list[dict[str, Any]]) -> str:
    """A row per property: the faults that it must find."""
    rows = []
    for unit, name in dict.fromkeys((item["unit"], item["property"]) for item in checked):
        mine = [item for item in checked if (item["unit"], item["property"]) == (unit, name)]
        caught = sum(item["passed"] for item in mine)
        rows.append([unit, f"`{name}`", f"{caught} of {len(mine)}", "; ".join(item["fault"] for item in mine)])
    return markdown(["unit", "property", "caught", "faults"], rows)


def coverage(checked: list[dict[str, Any]]) -> str:
    """A row per package, unit or cover: each kind has its own figures."""
    rows = []
    for item in checked:
        if "bins" in item:
            words = f"{item['hit']} of {item['bins']} bins; {len(item['impossible'])} cases cannot occur"
        elif "toggle" in item:
            words = ", ".join(f"{kind} {item[kind]['percent']} %" for kind in ("line", "branch", "toggle"))
        elif "line_percent" in item:
            words = f"lines {item['line_percent']} %, branches {item['branch_percent']} %"
        else:
            words = item["said"]
        rows.append([item["name"], words, result(item["passed"])])
    return markdown(["what", "found", "result"], rows)


def outcome(name: str, document: dict[str, Any]) -> str:
    """The result of a file in a word: "not reached" if only goals were missed."""
    if name == "mutation-python" and not all("goal" in item for item in document["items"]):
        return "no goal recorded"
    words = {verdict(item) for item in document["items"] if not item["passed"]}
    return words.pop() if len(words) == 1 and not document["passed"] else result(document["passed"])


def verdict(item: dict[str, Any]) -> str:
    """The result of an item in a word; a score must reach its goal, and without a goal it does not pass."""
    goal = item.get("goal")
    if goal is None:
        return result(item["passed"])
    if isinstance(goal, str):
        return "no goal recorded"
    return "**not reached**" if item["score"] < goal else result(item["passed"])


def result(passed: bool) -> str:
    """In a word."""
    return "passed" if passed else "**failed**"


def main(arguments: list[str]) -> None:
    """See the module."""
    text = PAGE.read_text(encoding="utf-8")
    documents, now = load(), age.digests(text, check=arguments == ["--check"])
    blocks = {"summary": summary(documents, now)} | {
        name: items(name, documents[name]) if name in documents else "No run is on record." for name in ORDER
    }
    filled = fill(text, blocks)
    if arguments == ["--check"]:
        sys.exit(0 if filled == text else "docs/verification.md is not what docs/verification.py makes")
    PAGE.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
