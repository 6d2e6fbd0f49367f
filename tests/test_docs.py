"""The computed parts of README.md and of docs are what the committed reports and the generator say."""

import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


SCRIPTS = (
    "tables.py", "accuracy.py", "units.py", "verification.py", "hardware.py", "pytorch.py", "tests.py", "image.py",
    "accelerator.py", "reference.py",
)  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS)
def test_tables_are_generated(script):
    done = subprocess.run([sys.executable, DOCS / script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
