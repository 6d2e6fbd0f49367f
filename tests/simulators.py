"""The simulators that tests are parametrized with."""

import shutil

import pytest

icarus = pytest.param(
    "icarus",
    marks=[
        pytest.mark.full,  # Verilator runs the same tests in `make test`
        pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed"),
    ],
)
