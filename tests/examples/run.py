"""Runs an example as a reader would."""

import subprocess
import sys
from pathlib import Path

import pytest

from qse_hw.sim.simulators.simulators import find

EXAMPLES = Path(__file__).parents[2] / "examples"
needs_verilator = pytest.mark.skipif(find("verilator") is None, reason="Verilator is not installed")


def run(name, *words, folder):
    """The finished process of ``examples/NAME`` in ``folder``."""
    command = [sys.executable, str(EXAMPLES / name), *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def refusal(name, *words, folder):
    """The one sentence of an example that must refuse: status 2, nothing written."""
    done = run(name, *words, folder=folder)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert list(folder.iterdir()) == []
    return done.stderr.removeprefix("error: ").rstrip("\n")
