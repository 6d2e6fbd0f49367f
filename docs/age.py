"""Which figures of a page are older than the code that they measure.

A report holds the digest of each floor of the sources that it was made with
(:func:`qse_hw.golden.io.environment.environment`). When a page is made, these are compared with the digests of the
checkout, and reports that differ are marked. The last line of the page names the digests of that day, and a check of
the page takes them from there, so that its result depends neither on git nor on later edits.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from blocks import markdown

from qse_hw.golden.io.sources import FLOORS, TESTS, read

ROOT = Path(__file__).parents[1]
Digests = Mapping[str, str]
Report = Mapping[str, Any]

MODELS = FLOORS[:1]
"""The floors that figures about formats and models depend on."""
SYNTHESIS = ("golden", "rtl_gen", "synth")
SIMULATION = ("golden", "rtl_gen", "sim")
ALL = (*FLOORS, TESTS)

_DIGITS = 12
_LINE = re.compile(r"^Compared with the sources ((?:`\w+ [0-9a-f]{12}`(?:, )?)+)\.$", re.MULTILINE)


def digests(page: str, *, check: bool) -> Digests:
    """What to compare with: the sources of this checkout, or in a check those that ``page`` names.

    Raises:
        SystemExit: if a page that is checked names none.
    """
    if not check:
        return {name: digest[:_DIGITS] for name, digest in read(ROOT).items()}
    line = _LINE.search(page)
    if line is None:
        sys.exit("the page names no sources that it was compared with; make it again")
    return dict(pair.split() for pair in re.findall(r"`([^`]+)`", line[1]))


def changed(report: Report, floors: Iterable[str], now: Digests) -> str:
    """The floors whose sources have changed since the report was made, in words; "" if none has."""
    made = report.get("sources")
    if made is None:
        return "sources not recorded"
    return ", ".join(name for name in floors if made.get(name, "")[:_DIGITS] != now[name])


def compared(now: Digests, floors: Iterable[str]) -> str:
    """The line that names what a page was compared with."""
    return f"Compared with the sources {', '.join(f'`{name} {now[name]}`' for name in floors)}."


def block(reports: Mapping[str, tuple[Report, tuple[str, ...]]], now: Digests) -> str:
    """The reports of a page that are older than the code.

    Args:
        reports: by name, each with the floors that it depends on.
        now: as :func:`digests` gives them.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for name, (report, floors) in reports.items():
        if what := changed(report, floors, now):
            groups.setdefault(((report.get("commit") or "none")[:7], what), []).append(f"`{name}`")
    used = [name for name in ALL if any(name in floors for _, floors in reports.values())]
    rows = [[", ".join(names), commit, what] for (commit, what), names in groups.items()]
    table = markdown(["older than the code", "commit", "changed since"], rows)
    said = table if rows else "No figure is older than the code that it measures."
    return f"{said}\n\n{compared(now, used)}"
