"""The digests that are committed, and what differs from them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "digests.json"
SCHEMA = "qse-hw/digests/1"
UPDATE = "python -m tests.reproducibility --update"


def committed() -> dict[str, Any]:
    """The file: ``artefacts`` (digest by name), ``made`` (with what, where), ``checked`` (processors, all the same)."""
    document: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return document


def moved(computed: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """Names whose digests differ, or that only one side has."""
    return sorted(name for name in computed.keys() | expected.keys() if computed.get(name) != expected.get(name))


def of_groups(expected: Mapping[str, str], groups: tuple[str, ...]) -> dict[str, str]:
    """Those digests of ``expected`` that belong to the groups, or to units given as ``units/UNIT``."""
    return {name: digest for name, digest in expected.items() if name.startswith(tuple(f"{g}/" for g in groups))}


def complaint(names: list[str], made: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """The message for changed digests: which changed, what else differs, and how to accept the change."""
    packages = made["versions"].keys() & here["versions"].keys()
    changed = [
        f"{name} {made['versions'][name]} -> {here['versions'][name]}"
        for name in sorted(packages)
        if made["versions"][name] != here["versions"][name]
    ]
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return (
        f"{len(names)} artefacts are not bit for bit what they were: {shown}. Packages that changed: "
        f"{', '.join(changed) or 'none'}; made on {made['machine']['processor']}, checked on "
        f"{here['machine']['processor']}. If this is meant: {UPDATE}, and say so in CHANGELOG.md"
    )
