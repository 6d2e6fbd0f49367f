"""Whether a configuration's accelerator computes what golden does: its own testbench, run by Icarus Verilog.

The testbench starts the accelerator by its registers, answers it from a memory with the image, and compares the ids of
the next tokens, at full speed, and then every logit, with random pauses of all that it is connected to.
"""

import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.calibrate import calibrate_integer
from qse_hw.golden.models.integer.options import Options
from qse_hw.rtl_gen.emit.emit import write
from qse_hw.rtl_gen.units.accelerator import AcceleratorConfig
from tests.configurations.draw import draw, model_config, unit_options
from tests.golden.models.integer import small
from tests.rtl_gen.verilog import commands

BENCH = "tb_qse_accelerator"
TOKENS = 512  # that formats are calibrated on
EXPECTED = (
    "Bus bits must be a multiple or a divisor of the", "Hadamard lanes must divide", "Residual stream: Size must be",
)  # fmt: skip
"""How refusals begin of choices that do not go together."""
PATIENCE = 900  # seconds of a simulation


def check(number: int) -> dict[str, Any]:
    """The result of a configuration: ``PASS`` with the beats that were compared, or why it was refused or failed."""
    began, chosen = time.monotonic(), draw(number)
    try:
        outcome = _simulated(chosen)
    except InputError as error:
        outcome = {"result": "refused", "message": str(error), "passed": str(error).startswith(EXPECTED)}
    return {"number": number, "seconds": round(time.monotonic() - began, 1), **chosen, **outcome}


def _simulated(chosen: dict[str, Any]) -> dict[str, Any]:
    sizes = model_config(chosen)
    model = small.noisy(sizes)
    options = Options(spec=chosen["spec"], objective="x", local_bits=16, mode="shared")
    formats = calibrate_integer(model, small.text() % sizes.vocab_size, tokens=TOKENS, options=options)
    with tempfile.TemporaryDirectory(prefix="qse-configuration-") as name:
        folder = Path(name)
        config = AcceleratorConfig(**small.saved(folder, model, formats), **unit_options(chosen))
        write(config, folder / "unit")
        said = simulate(folder / "unit")
    tokens, logits = config.vectors()["logits"].shape
    passed = said == f"PASS {tokens * (1 + logits)} beats"
    return {"result": said, "beats": tokens * (1 + logits), "passed": passed}


def simulate(folder: Path) -> str:
    """The first line that the testbench in ``folder`` prints."""
    compiler, simulation = commands("icarus", BENCH, sorted(folder.glob("*.v")), folder)
    subprocess.run(compiler, cwd=folder, check=True, capture_output=True, text=True)
    done = subprocess.run(simulation, cwd=folder, check=False, capture_output=True, text=True, timeout=PATIENCE)
    return (done.stdout.splitlines() or [done.stderr.strip() or f"exit status {done.returncode}"])[0]
