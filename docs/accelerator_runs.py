"""Synthesis for docs/accelerator.md: python docs/accelerator_runs.py [ecp5] [cells].

Calibrates the bundled model twice, with the soft edge and with INT8 for all operands of products, and synthesizes both
accelerators: for an FPGA an hour on two cores; for standard cells (Debian: apt-get install qflow-tech-osu018) with the
energy of a token. Makes docs/results/accelerator-ecp5.json and accelerator-cells.json; default: both.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
CALIBRATE = "calibrate --recipe integer --mode shared --local-bits 16"
SYNTHESIZE = (
    "synth model --calibration se8.json --baseline int8.json --rows 4 --columns 4 --scan-lanes 4 --hadamard-lanes 2"
)
ON = {"ecp5": "--target ecp5 --on ecp5:85k-6 --parts 2 --seeds 1", "cells": "--on cells --energy"}


def run(command: str, folder: str, *more: str) -> None:
    """A command of the package; its files lie in ``folder``."""
    print(f"python -m qse_hw {command}", flush=True)
    subprocess.run([sys.executable, "-m", "qse_hw", *command.split(), *more], check=True, cwd=folder)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for format in ("se8", "int8"):
            run(f"{CALIBRATE} --format {format} -o {format}.json", folder)
        for family in sys.argv[1:] or ON:
            report = f"accelerator-{family}.json"
            run(f"{SYNTHESIZE} {ON[family]}", folder, "--json", report)
            shutil.move(Path(folder) / report, RESULTS / report)
