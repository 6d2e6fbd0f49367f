"""Line and branch coverage of the Python packages under the tests, simulators and other subprocesses included."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PACKAGES = ("golden", "rtl_gen", "sim", "synth", "qse_hw")
LEAST = {"golden": 95.0, "rtl_gen": 95.0, "sim": 95.0, "synth": 92.0, "qse_hw": 93.0}  # percent
ROOT = Path(__file__).parents[2]
HTML = ".coverage-html"
LOG = ".coverage-tests.log"


def measure(progress: Callable[[float], None]) -> list[dict[str, Any]]:
    """Run the tests under coverage.py (configured in pyproject.toml), write HTML and LOG; an item per package."""
    _coverage("erase")
    command = [sys.executable, "-m", "coverage", "run", "-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider"]
    with (
        (ROOT / LOG).open("w") as log,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as tests,
    ):
        assert tests.stdout is not None
        last = ""
        for line in tests.stdout:
            log.write(line)
            last = line.strip() or last
            if share := re.search(r"\[\s*(\d+)%\]$", line):
                progress(int(share[1]) / 100)
    _coverage("combine", "-q")
    _coverage("html", "-q", "-d", HTML)
    _coverage("json", "-q", "-o", f"{HTML}/coverage.json")
    items = packages(json.loads((ROOT / HTML / "coverage.json").read_text()))
    return [{"name": "the tests, under coverage", "passed": tests.returncode == 0, "said": last}, *items]


def packages(document: dict[str, Any]) -> list[dict[str, Any]]:
    """An item per package, from coverage.py's JSON report."""
    items = []
    for package in PACKAGES:
        files = {name: file for name, file in document["files"].items() if Path(name).parts[0] == package}
        sums = {
            key: sum(file["summary"][key] for file in files.values())
            for key in ("num_statements", "covered_lines", "num_branches", "covered_branches")
        }
        lines = 100 * sums["covered_lines"] / max(1, sums["num_statements"])
        branches = 100 * sums["covered_branches"] / max(1, sums["num_branches"])
        items.append(
            {
                "name": f"Python coverage, {package}",
                "passed": bool(files) and min(lines, branches) >= LEAST[package],
                "line_percent": round(lines, 2),
                "branch_percent": round(branches, 2),
                **sums,
                "least_covered": {
                    name: round(file["summary"]["percent_covered"], 1)
                    for name, file in sorted(files.items(), key=lambda item: item[1]["summary"]["percent_covered"])[:5]
                },
            }
        )
    return items


def _coverage(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "coverage", *words], cwd=ROOT, check=True)
