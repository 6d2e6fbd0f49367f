"""What a check of the hardware or of the models found, as JSON: the files docs/verification.md is made from."""

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
        claim: what was to be shown, in a sentence.
        command: what repeats it.
        seconds: wall time it took.
        passed: whether the claim stands.
        figures: what a reader wants to know of all items together, by name: counts, shares, times.
        items: what was checked, one each (a proof, a configuration, a mutant's group), with its own ``passed``.

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
