"""Writes the computed parts of docs/verification.md from the evidence files: python docs/verification.py [--check].

The files are docs/results/verify-NAME.json, each written by the command that did the check (:mod:`golden.evidence`).
"""

import json
import sys
from pathlib import Path
from typing import Any

from blocks import fill, markdown

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "verification.md"
RESULTS = ROOT / "docs" / "results"


def load() -> dict[str, dict[str, Any]]:
    """The evidence files, by name."""
    paths = sorted(RESULTS.glob("verify-*.json"))
    return {path.stem.removeprefix("verify-"): json.loads(path.read_text(encoding="utf-8")) for path in paths}


def summary(documents: dict[str, dict[str, Any]]) -> str:
    """A row per file: what was claimed, what repeats it, what came out."""
    rows = [
        [
            document["claim"],
            figures(document),
            f"`{document['command']}`",
            duration(document["seconds"]),
            f"{'passed' if document['passed'] else '**failed**'}, {document['date']}, {(document['commit'] or '')[:7]}",
        ]
        for document in documents.values()
    ]
    return markdown(["claim", "evidence", "command", "time", "last result"], rows)


def figures(document: dict[str, Any]) -> str:
    """The figures of a file in words: its keys are words."""
    return "; ".join(f"{name.replace('_', ' ')}: {number(value)}" for name, value in document["figures"].items())


def number(value: Any) -> str:
    """A figure as a reader wants it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def duration(seconds: float) -> str:
    """Seconds, or minutes where they are many."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def items(document: dict[str, Any]) -> str:
    """A row per thing checked; the columns are the keys that the items have."""
    columns = list(dict.fromkeys(key for item in document["items"] for key in item if key != "passed"))
    rows = [
        [*(number(item.get(column, "")) for column in columns), "passed" if item["passed"] else "**failed**"]
        for item in document["items"]
    ]
    return markdown([*(column.replace("_", " ") for column in columns), "result"], rows)


def main(arguments: list[str]) -> None:
    """See the module."""
    text = PAGE.read_text(encoding="utf-8")
    documents = load()
    blocks = {"summary": summary(documents)} | {name: items(document) for name, document in documents.items()}
    filled = fill(text, blocks)
    if arguments == ["--check"]:
        sys.exit(0 if filled == text else "docs/verification.md is not what docs/verification.py makes")
    PAGE.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
