"""Coverage of Python, Verilog and function: ``python -m tests.coverage``; writes docs/results/verify-coverage.json.

Python: lines and branches under the ordinary tests (HTML in .coverage-html). Verilog: lines, branches and toggles of
encoder, decoder and quantizer, and what is proved unable to change. Function: segment, sign, rounding and stall.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from qse_hw.golden.io.evidence import evidence
from qse_hw.golden.io.files import write_json
from qse_hw.study.console import console, progress, table
from tests.coverage import functional, python, units

RESULT = python.ROOT / "docs" / "results" / "verify-coverage.json"
CLAIM = (
    "The tests run at least 95 % of the lines and branches of golden, rtl_gen and sim, 92 % of synth's and 93 % of "
    "qse_hw's; stimuli run every line of the emitted Verilog and toggle its bits; every segment, sign and rounding "
    "case that can occur met every stall"
)
PARTS = ("functional", "verilog", "python")

Report = Callable[[str, float], None]


def main() -> int:
    """Measure, write, print; 1 if anything falls short."""
    parser = argparse.ArgumentParser(prog="python -m tests.coverage", description=__doc__)
    parser.add_argument("--parts", metavar="P,...", default=",".join(PARTS), help="which (default: %(default)s)")
    parts = parser.parse_args().parts.split(",")
    if not set(parts) <= set(PARTS):
        parser.error(f"Parts must be among {', '.join(PARTS)}, not {','.join(parts)!r}")
    begun = time.monotonic()
    with progress() as report:
        items = [item for part in PARTS if part in parts for item in MEASURES[part](report)]
    seconds, passed = time.monotonic() - begun, all(item["passed"] for item in items)
    command = f"python -m tests.coverage{'' if set(parts) == set(PARTS) else ' --parts ' + ','.join(parts)}"
    document = evidence(
        claim=CLAIM, command=command, seconds=seconds, passed=passed, figures=figures(items), items=items
    )
    write_json(RESULT, document)
    rows = [[item["name"], words(item), "yes" if item["passed"] else "NO"] for item in items]
    table("Coverage", ["what", "result", "passed"], rows)
    console.print(f"written: {RESULT}")
    return 0 if passed else 1


def _functional(report: Report) -> Iterator[dict[str, Any]]:
    chosen = functional.units()
    for number, unit in enumerate(chosen):
        report(f"functional coverage, {functional.name_of(unit)}", number / len(chosen))
        with tempfile.TemporaryDirectory(prefix="qse_hw_coverage_") as folder:
            yield functional.collect(unit, Path(folder))


def _verilog(report: Report) -> Iterator[dict[str, Any]]:
    for number, label in enumerate(units.RUNS):
        report(f"Verilog coverage, {label}", number / len(units.RUNS))
        with tempfile.TemporaryDirectory(prefix="qse_hw_coverage_") as folder:
            yield units.collect(label, Path(folder))


def _python(report: Report) -> Iterator[dict[str, Any]]:
    report("the tests, under coverage", 0)
    yield from python.measure(lambda share: report("the tests, under coverage", share))


MEASURES = {"functional": _functional, "verilog": _verilog, "python": _python}


def figures(items: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of all items together."""
    totals: dict[str, Any] = {}
    for item in items:
        if "line_percent" in item:
            package = item["name"].rpartition(" ")[2]
            totals |= {
                f"{package}_line_percent": item["line_percent"],
                f"{package}_branch_percent": item["branch_percent"],
            }
        elif "toggle" in item:
            totals[f"{item['name'].partition(', ')[2]}_toggle_percent"] = item["toggle"]["percent"]
    bins = [item for item in items if "bins" in item]
    if bins:
        totals |= {"bins": sum(item["bins"] for item in bins), "bins_hit": sum(item["hit"] for item in bins)}
        totals["bins_impossible"] = len(functional.STALLS) * sum(len(item["impossible"]) for item in bins)
    return totals


def words(item: dict[str, Any]) -> str:
    """An item's figures, for people."""
    if "bins" in item:
        return f"{item['hit']} of {item['bins']} bins, {len(item['impossible'])} cases impossible"
    if "toggle" in item:
        return ", ".join(f"{kind} {item[kind]['percent']} %" for kind in ("line", "branch", "toggle"))
    if "line_percent" in item:
        return f"line {item['line_percent']} %, branch {item['branch_percent']} %"
    return str(item["said"])


if __name__ == "__main__":
    sys.exit(main())
