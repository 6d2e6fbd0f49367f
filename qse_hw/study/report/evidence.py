"""Evidence that the Verilog is right: what this command ran through it, and the commands for the rest."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.study.report.html import Html, code, join, listing, paragraph, section, table, tag

RANDOM = 1 << 20  # patterns of inputs of more than 16 bits
Progress = Callable[[str, float], None]

REST = {
    "prove": (
        ("encoder", "decoder", "quantizer", "function"),
        "formal proofs of its function, and of its stream and bus rules",
    ),
    "mutate": (("encoder", "decoder", "function"), "are faults in its netlist noticed?"),
}
"""The commands that check more: which units, and what."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was run.

    Attributes:
        what: what went through the Verilog, in words.
        compared: how much came out and was compared, in words.
        passed: whether all was as it must be.
        first: what was wrong first, in words, or "".
        digest: SHA-256 of the Verilog that was compiled.
    """

    what: str
    compared: str
    passed: bool
    first: str
    digest: str


def run(config: UnitConfig, verilog: Path, progress: Progress) -> Evidence | None:
    """Check the unit in simulation, with what suits it; None if nothing does.

    Args:
        config: the unit.
        verilog: the folder that :func:`qse_hw.rtl_gen.emit.emit.write` wrote it to.
        progress: called with the current step in words and the share that is done, 0 to 1.

    Raises:
        InputError: if Verilator or what it needs is missing.
        RuntimeError: if the simulation breaks.
    """
    if config.unit in ("encoder", "decoder", "function"):
        return exhausted(config, progress)
    if (verilog / f"tb_{config.top}.v").exists():
        return self_checked(config, verilog, progress)
    return None


def exhausted(config: Any, progress: Progress) -> Evidence:
    """All patterns, or those around every decision and random ones, beside the golden model."""
    from qse_hw.rtl_gen.emit.emit import emit
    from qse_hw.rtl_gen.emit.heading import headed
    from qse_hw.sim.exhaust.bulk import Bulk
    from qse_hw.sim.exhaust.exhaust import Check, exhaust
    from qse_hw.sim.exhaust.kinds import SEED

    digests = []

    def build(config: UnitConfig, folder: Path) -> Bulk:
        made = Bulk(config, folder, build=lambda config: headed(emit(config)))  # the file that gen writes
        digests.append(digest(folder / f"{config.top}.v"))
        return made

    (finding,) = exhaust([Check(config=config, random=RANDOM)], build=build, progress=progress)
    scales = f", at each of {finding.scales} scales" if finding.scales > 1 else ""
    return Evidence(
        what=f"{finding.patterns}{scales} (seed {SEED}); every output and flag beside the golden model's",
        compared=f"{finding.values:,} values",
        passed=finding.passed,
        first=finding.first,
        digest=digests[0],
    )


def self_checked(config: UnitConfig, verilog: Path, progress: Progress) -> Evidence:
    """The generated testbench, which compares all vectors at full speed and with random stalls."""
    from qse_hw.sim.simulators.simulate import toolchain
    from qse_hw.sim.simulators.simulators import find, require

    require("verilator")
    bench = f"tb_{config.top}"
    with tempfile.TemporaryDirectory(prefix="qse_hw_report_") as name:
        folder = Path(name)
        shutil.copytree(verilog, folder, dirs_exist_ok=True)
        sources = [path.name for path in sorted(folder.glob("*.v"))]
        compiler = [find("verilator") or "verilator", "--binary", "--timing", "-Wno-fatal", "-Wno-WIDTH", "-j", "2"]
        compiler += ["-CFLAGS", "-std=c++20 -fcoroutines"]  # which older compilers have to be told
        commands = {
            f"compiling {bench}": [*compiler, "-Mdir", "obj", "--top-module", bench, *sources],
            f"simulating {bench}": [str(folder / "obj" / f"V{bench}")],
        }
        said = ""
        for number, (what, command) in enumerate(commands.items()):
            progress(what, number / 2)
            done = subprocess.run(
                command, cwd=folder, env=os.environ | toolchain("-O1", "-O0"), stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", check=False,
            )  # fmt: skip
            said = done.stdout
            if done.returncode and not number:
                raise RuntimeError(f"verilator failed: status {done.returncode}\n{said[-1000:]}")
        verdict = re.search(r"^(?:PASS (\d+ beats)|(FAIL .*))$", said, re.MULTILINE)
        if verdict is None:
            raise RuntimeError(f"{bench} did not come to an end: {said[-500:]}")
        return Evidence(
            what=f"{bench}, the testbench beside this page: all vectors, at full speed and with random stalls",
            compared=verdict[1] or "not all of them",
            passed=verdict[2] is None,
            first=verdict[2] or "",
            digest=digest(folder / f"{config.top}.v"),
        )


def section_evidence(evidence: Evidence | None, config: UnitConfig, options: list[str], written: str) -> Html:
    """The section.

    Args:
        evidence: what was run, if anything.
        config: the unit.
        options: of the command line, that describe the unit.
        written: SHA-256 of the Verilog beside the page.
    """
    parts = [paragraph("This page's command ran no simulation: this unit has no check of this kind.")]
    if evidence is not None:
        word = "passed" if evidence.passed else "failed"
        verdict = tag("strong", word, class_=word)
        same = "the same file as beside this page" if evidence.digest == written else "NOT the file beside this page"
        rows = [
            ["sent through the Verilog", evidence.what],
            ["compared", evidence.compared],
            ["result", join((verdict, *([evidence.first] if evidence.first else [])), ": ")],
            ["Verilog that was compiled", join(("SHA-256", code(evidence.digest[:16]), f"..., {same}"), " ")],
        ]
        parts = [
            paragraph("This page's command compiled the Verilog with Verilator and ran it:"),
            table("What was run", ["", ""], rows, left=2),
        ]
    rest = {command: words for command, (units, words) in REST.items() if config.unit in units}
    if rest:
        parts.append(paragraph("More can be checked, which takes longer and is no part of this page:"))
        lines = (f"# {words}\n{command_line(command, config.unit, options)}" for command, words in rest.items())
        parts.append(listing("\n".join(lines)))
    return section("evidence", "Evidence", *parts)


def command_line(command: str, unit: str, options: list[str]) -> str:
    """A command on this unit."""
    return shlex.join(["python", "-m", "qse_hw", command, unit, *options])


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
