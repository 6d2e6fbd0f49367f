"""The results of a check of hardware or models, as JSON: the source of docs/verification.md."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from qse_hw.golden.io.environment import environment

SCHEMA = "qse-hw/evidence/1"


def evidence(
    *,
    claim: str,
    command: str,
    seconds: float,
    passed: bool,
    figures: Mapping[str, Any],
    items: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """A check's report.

    Args:
        claim: the statement that was checked, in one sentence.
        command: repeats the check.
        seconds: wall time it took.
        passed: whether the claim holds.
        figures: totals over all items, by name: counts, shares, times.
        items: one per proof, configuration or group of mutants, each with its own ``passed``.

    Returns:
        A document for :func:`qse_hw.golden.io.files.write_json`.
    """
    return {
        "schema": SCHEMA,
        "claim": claim,
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "seconds": round(seconds, 1),
        "passed": passed,
        "figures": dict(figures),
        "items": [dict(item) for item in items],
        **environment(),
    }
