"""Fuzz every command for so many minutes: ``python -m tests.fuzz --minutes 60``; writes docs/results/verify-fuzz.json.

One process, a turn per target, round after round with other seeds; the same minutes give about the same cases.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from qse_hw.golden.io.evidence import evidence
from qse_hw.golden.io.files import write_json
from qse_hw.study.console import console, progress, table
from tests.fuzz.targets import TARGETS

RESULT = Path(__file__).parents[2] / "docs" / "results" / "verify-fuzz.json"
CLAIM = (
    "No input - checkpoint, calibration, format, array, activations, scales, text, tokenizer, command line - makes "
    "a command end in a traceback, hang, leave half-written files, take a lying header's memory, or run a pickle's code"
)
SEED = 20261
TURN = 30.0  # seconds of a target before the next one's turn
SEEDS = 1000  # more than a turn can use
PATIENCE = 300.0  # seconds beyond a turn until a process counts as hanging: making a finding small takes time


def main() -> int:
    """Fuzz, write, print; 1 if there are findings."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, required=True, help="how long, all targets together")
    args = parser.parse_args()
    console.print(f"seed: {SEED}")
    begun = time.monotonic()
    items = fuzz(60 * args.minutes)
    seconds = time.monotonic() - begun
    findings = sum(len(item["findings"]) for item in items)
    figures = {
        "minutes": round(seconds / 60, 1),
        "cases": sum(item["cases"] for item in items),
        "accepted": sum(item["accepted"] for item in items),
        "findings": findings,
        "seed": SEED,
    }
    command = f"python -m tests.fuzz --minutes {args.minutes:g}"
    write_json(
        RESULT,
        evidence(claim=CLAIM, command=command, seconds=seconds, passed=not findings, figures=figures, items=items),
    )
    rows = [[item["name"], f"{item['cases']:,}", f"{item['accepted']:,}", str(len(item["findings"]))] for item in items]
    table("Fuzzing", ["target", "cases", "of them accepted", "findings"], rows)
    for item in items:
        for finding in item["findings"]:
            console.print(f"{item['name']}: {finding}")
    console.print(f"written: {RESULT}")
    return 1 if findings else 0


def fuzz(seconds: float) -> list[dict[str, Any]]:
    """Take turns until the time is up, each target at least once; returns the results per target."""
    items: dict[str, dict[str, Any]] = {
        name: {"name": name, "passed": True, "cases": 0, "accepted": 0, "findings": []} for name in TARGETS
    }
    begun, number = time.monotonic(), 0
    length = min(TURN, seconds / len(TARGETS))
    with tempfile.TemporaryDirectory(prefix="qse_hw_fuzzing_") as folder, progress() as report:
        while number < len(TARGETS) or time.monotonic() - begun < seconds:
            name = list(TARGETS)[number % len(TARGETS)]
            item = items[name]
            report(f"{name}, round {number // len(TARGETS) + 1}", min(1.0, (time.monotonic() - begun) / seconds))
            turn = _turn(name, SEED + SEEDS * number, length, Path(folder) / "case")
            item["cases"] += turn["cases"]
            item["accepted"] += turn["accepted"]
            item["findings"] += [finding for finding in turn["findings"] if finding not in item["findings"]]
            item["passed"] = not item["findings"]
            number += 1
    return list(items.values())


def _turn(name: str, seed: int, seconds: float, note: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.fuzz.worker", name, str(seed), str(seconds), str(note)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + PATIENCE, check=True)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        hangs = isinstance(error, subprocess.TimeoutExpired)
        what = "it hangs" if hangs else f"it crashed: {str(error.stderr)[-2000:]}"
        case = note.read_text() if note.exists() else "none yet"
        return {"cases": 0, "accepted": 0, "findings": [f"{what}\nseed {seed}, case: {case}"]}
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    sys.exit(main())
