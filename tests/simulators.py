"""The simulators that tests are parametrized with."""

import shutil

import pytest

icarus_there = pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
icarus = pytest.param(
    "icarus",
    marks=[pytest.mark.full, icarus_there],  # Verilator runs the same tests in `make test`
)
