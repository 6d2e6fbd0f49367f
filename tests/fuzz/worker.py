"""One turn of fuzzing: a target, a seed, so many seconds; ``python -m tests.fuzz.worker TARGET SEED SECONDS NOTE``.

In a process of its own, so that a crash is a finding and not the end. Prints JSON; NOTE is a file that holds the case
being tried.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings

from tests.fuzz.oracle import PHASES, Case, check
from tests.fuzz.targets import TARGETS

CASES = 50  # per seed: a failing case becomes small before the next seed


def turn(
    name: str, first: int, seconds: float, before: Callable[[Case], object] = lambda case: None
) -> dict[str, object]:
    """Cases tried, how many were accepted, and a finding per failing seed in words."""
    ends, number = time.monotonic() + seconds, first
    counts: Counter[str] = Counter()
    findings: list[str] = []

    def one(case: Case) -> None:
        before(case)
        counts["cases"] += 1
        counts["refused" if check(case) else "accepted"] += 1

    while time.monotonic() < ends:
        trial = settings(
            max_examples=CASES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            phases=PHASES,
        )(given(TARGETS[name].cases)(one))
        try:
            seed(number)(trial)()
        except Exception as finding:  # a Finding, or a fault of the fuzzing itself
            findings.append("\n".join([f"{type(finding).__name__}: {finding}", *getattr(finding, "__notes__", [])]))
        number += 1
    return {"cases": counts["cases"], "accepted": counts["accepted"], "findings": findings}


if __name__ == "__main__":
    note = Path(sys.argv[4])
    print(json.dumps(turn(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), lambda case: note.write_text(repr(case)))))
