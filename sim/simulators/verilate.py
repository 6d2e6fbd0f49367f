"""Compiling Verilog and a C++ main into a program: simulation at full speed, without cocotb."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from qse_hw.sim.simulators.simulate import VERILATOR_ARGUMENTS, tail, toolchain
from qse_hw.sim.simulators.simulators import find, require

LIBRARY = (
    "-CFLAGS", "-fPIC -fvisibility=hidden -fno-gnu-unique -DVL_USER_FATAL", "-LDFLAGS", "-shared",
)  # fmt: skip
"""Arguments of Verilator for a library instead of a program. It calls the C++ file's ``vl_fatal`` on failure."""


def verilate(
    sources: Sequence[Path],
    main: Path,
    top: str,
    folder: Path,
    *,
    arguments: Sequence[str] = (),
    defines: Sequence[str] = (),
    short: bool = False,
) -> Path:
    """Compile ``sources`` and ``main`` in ``folder``; the log is ``folder/build.log``.

    Args:
        sources: Verilog, and Verilator configuration.
        main: C++ with the program's ``main``; it includes ``"Vdut.h"``, the class of the module ``top``, called Vdut.
        top: the module that it drives.
        folder: for all files that are made.
        arguments: further arguments of Verilator.
        defines: ``NAME`` or ``NAME=VALUE``, for the C++ compiler.
        short: compile without optimization, because compilation takes longer than the simulation.

    Returns:
        The program.

    Raises:
        InputError: if Verilator or what it needs is missing.
        RuntimeError: if compilation fails.
    """
    require("verilator")
    folder.mkdir(parents=True, exist_ok=True)
    log, program = folder / "build.log", folder / "dut"
    command = [find("verilator") or "verilator", "--cc", "--exe", "--build", "-j", str(os.cpu_count() or 1)]
    command += [*VERILATOR_ARGUMENTS, "--prefix", "Vdut", "--top-module", top]
    command += ["--Mdir", str(folder), "-o", program.name]
    if short:
        command.append("-fno-inline")  # modules stay apart: fewer lines of C++
    for define in defines:
        command += ["-CFLAGS", f"-D{define}"]
    command += [*arguments, *(str(path.absolute()) for path in (*sources, main))]
    environment = os.environ | toolchain("-O0" if short else "-O2", "-O0")  # the program hardly uses the runtime
    with log.open("w") as output:
        status = subprocess.run(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False
        ).returncode
    if status:
        raise RuntimeError(f"verilator failed: status {status}\n{tail(log)}")
    return program
