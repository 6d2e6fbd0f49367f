"""A synthesis report of one unit on one target, measured and from the cache, as processes."""

import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from qse_hw.study.bench import Report
from qse_hw.study.console import console

WORDS = "synthesis"
UNIT = "encoder --format se8 --input s16 --scale 120.4 --counter-width 0 --baseline none --seeds 3"
REPEATS = 3


def measure(report: Report) -> dict[str, Any]:
    """Seconds of ``synth`` with an empty cache (three seeds) and with a full one; medians."""
    command = [sys.executable, "-m", "qse_hw", "synth", *UNIT.split()]
    empty: list[float] = []
    full: list[float] = []
    for number in range(REPEATS):
        with tempfile.TemporaryDirectory(prefix="qse-bench-") as folder:
            for seconds in (empty, full):
                begun = time.perf_counter()
                subprocess.run([*command, "--cache", folder], check=True, stdout=subprocess.DEVNULL)
                seconds.append(time.perf_counter() - begun)
        report((number + 1) / REPEATS)
    return {
        "command": f"python -m qse_hw synth {UNIT}",
        "empty_cache_seconds": statistics.median(empty),
        "full_cache_seconds": statistics.median(full),
    }


def show(figures: dict[str, Any]) -> None:
    """Print the seconds in a line."""
    console.print(
        f"synthesis report: {figures['empty_cache_seconds']:.1f} s, "
        f"from the cache {figures['full_cache_seconds']:.2f} s"
    )
