"""Generating Verilog, and how long the command line takes to answer."""

import statistics
import subprocess
import sys
import time
from typing import Any

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.study.bench import Report
from qse_hw.study.console import console

WORDS = "generating Verilog"
REPEATS = 7


def measure(report: Report) -> dict[str, Any]:
    """Seconds to generate the encoder after imports, and of ``gen --help`` as a process; medians."""
    from qse_hw.rtl_gen.emit.emit import emit
    from qse_hw.rtl_gen.units.encoder import EncoderConfig

    config = EncoderConfig(
        format=load_format("se8"), input=input_type("fp32"), scale=Scale.from_step(0.02)
    )
    emit(config)  # the first call compiles the WebAssembly of the Verilog back end, once per machine
    work, help_ = [], []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        emit(config)
        work.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "qse_hw.gen", "--help"], check=True, stdout=subprocess.DEVNULL)
        help_.append(time.perf_counter() - begun)
    return {"encoder_seconds": statistics.median(work), "help_seconds": statistics.median(help_)}


def show(figures: dict[str, Any]) -> None:
    """Print the seconds in a line."""
    console.print(
        f"generating the encoder: {figures['encoder_seconds']:.3f} s; gen --help: {figures['help_seconds']:.3f} s"
    )
