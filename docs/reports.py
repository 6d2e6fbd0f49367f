"""The reports in docs/results, each read once."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
LOADED: dict[str, dict[str, Any]] = {}
"""The reports of which the page has figures, by name."""


def load(name: str) -> dict[str, Any]:
    """A report."""
    if name not in LOADED:
        LOADED[name] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return LOADED[name]
