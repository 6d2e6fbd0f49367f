"""Check so many random configurations: ``python -m tests.configurations --count 500``.

Writes docs/results/verify-configurations.json after each, and goes on from there if it was stopped. Each item names the
commit that it was checked with.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from qse_hw.golden.io.environment import environment
from qse_hw.golden.io.evidence import evidence
from qse_hw.golden.io.files import read_json, write_json
from qse_hw.study.console import console, progress, table
from tests.configurations.check import check
from tests.configurations.draw import SEED

RESULT = Path(__file__).parents[2] / "docs" / "results" / "verify-configurations.json"
BATCH = 8
CLAIM = (
    "An accelerator of any configuration - sizes of the model, formats, engine, lanes, sequences, target, bus - "
    "computes every id and every logit of the integer model, at full speed and with pauses everywhere, or is refused"
)


def main() -> int:
    """Check, write, print; 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.configurations", description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="configurations to simulate (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="at a time (default: %(default)s)")
    parser.add_argument("--restart", action="store_true", help="leave out what is there already")
    args = parser.parse_args()
    console.print(f"seed: {SEED}")
    items, seconds = ([], 0.0) if args.restart or not RESULT.exists() else kept()
    began = time.monotonic()
    with ProcessPoolExecutor(args.jobs) as pool, progress() as told:
        while simulated(items) < args.count:
            first = len(items)
            for item in pool.map(check, range(first, first + min(BATCH, args.count - simulated(items)))):
                items.append(item | {"commit": environment()["commit"]})
                write_json(RESULT, document(items, seconds + time.monotonic() - began))
                told(f"configuration {len(items)}", min(simulated(items) / args.count, 1.0))
    rows = [[str(item["number"]), item["result"]] for item in items if not item["passed"]]
    table("Configurations that failed", ["number", "result"], rows)
    console.print(f"{simulated(items)} configurations simulated, {len(rows)} failed; written: {RESULT}")
    return 1 if rows else 0


def kept() -> tuple[list[dict[str, Any]], float]:
    """The results that are there, and the seconds they took."""
    old = read_json(RESULT, "Results")
    return old["items"], old["seconds"]


def simulated(items: list[dict[str, Any]]) -> int:
    """How many of them were not refused."""
    return sum(item["result"] != "refused" for item in items)


def document(items: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """The evidence."""
    figures = {
        "simulated": simulated(items),
        "refused": len(items) - simulated(items),
        "beats": sum(item.get("beats", 0) for item in items),
        "failed": sum(not item["passed"] for item in items),
        "seed": SEED,
    }
    return evidence(
        claim=CLAIM, command="python -m tests.configurations", seconds=seconds,
        passed=all(item["passed"] for item in items), figures=figures, items=items,
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
