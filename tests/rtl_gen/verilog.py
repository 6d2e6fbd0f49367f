"""Emitted Verilog in a plain Verilog testbench, compiled by Verilator or Icarus, without cocotb.

The testbench is written from the manifest's ports alone: it offers one beat per cycle, holds ``clear`` and prints what
leaves. Several units go into one model, since compiling takes longest.
"""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from qse_hw.sim.simulators.simulate import toolchain


def environment(optimization: str) -> dict[str, str]:
    """Of Verilator, whose C++ is compiled with ``optimization``."""
    return os.environ | toolchain(optimization, optimization)


class Job(NamedTuple):
    """A unit's Verilog and manifest, beats to send to it, constants for its other inputs, models of cells it has."""

    text: str
    manifest: dict[str, Any]
    beats: Sequence[int]
    constants: dict[str, int]
    models: Mapping[str, str] = {}


class Left(NamedTuple):
    """A beat that left: its payload, and the status outputs of this beat alone, as ``clear`` is held."""

    payload: int
    flags: dict[str, int]


def run_verilog(jobs: Sequence[Job], folder: Path, simulator: str = "verilator") -> list[list[Left]]:
    """What leaves each unit, in order."""
    sources, bench = [], ["`timescale 1ns/1ps", "module bench;", "  reg clk = 0;", "  always #5 clk = ~clk;"]
    bench += ["  reg rst = 1;", f"  integer done = 0; always @(negedge clk) if (done == {len(jobs)}) $finish;"]
    for name, text in {name: text for job in jobs for name, text in job.models.items()}.items():
        sources.append(folder / name)
        sources[-1].write_text(text)
    for n, job in enumerate(jobs):
        source, stimuli = folder / f"u{n}.v", folder / f"u{n}.hex"
        top = job.manifest["top"]
        source.write_text(re.sub(rf"\b{top}(?=\w*\b)", f"u{n}_{top}", job.text))
        sources.append(source)
        stimuli.write_text("\n".join(f"{beat:x}" for beat in job.beats) + "\n")
        bench += _instance(n, job, stimuli, folder / f"u{n}.out")
    bench += ["  initial begin #22 rst = 0; end", "endmodule", ""]
    sources.append(folder / "bench.v")
    sources[-1].write_text("\n".join(bench))
    for command in commands(simulator, "bench", sources, folder):
        done = subprocess.run(command, cwd=folder, env=environment("-O1"), capture_output=True, text=True, timeout=1500)
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return [_read(folder / f"u{n}.out", job) for n, job in enumerate(jobs)]


def off_by_one(text: str, output: int = 5) -> str:
    """The unit with the lowest bit of its output inverted whenever this should be ``output``."""
    top, head = re.search(r"^module (\w+) \(\n(.*?)^\);", text, re.DOTALL | re.MULTILINE).groups()  # type: ignore
    ports = re.findall(r"^  ((?:input|output)) +(?:wire|reg) +(\[\d+:0\] )?(\w+)", head, re.M)
    (width,) = (width for _, width, name in ports if name == "o__payload")
    pins = ", ".join(f".{name}({'right' if name == 'o__payload' else name})" for _, _, name in ports)
    wrapper = f"""
module {top} ({", ".join(f"{direction} {width}{name}" for direction, width, name in ports)});
  wire {width}right;
  {top}_right unit ({pins});
  assign o__payload = right ^ (right == {output});
endmodule
"""
    return re.sub(rf"\b{top}\b", f"{top}_right", text) + wrapper


def commands(simulator: str, top: str, sources: Sequence[Path], folder: Path) -> list[list[str]]:
    """The commands that compile and run ``sources`` in ``folder``."""
    files = [str(source) for source in sources]
    if simulator == "icarus":
        program = str(folder / "bench.vvp")
        return [["iverilog", "-g2005", "-s", top, "-o", program, *files], ["vvp", "-n", program]]
    options = ["--binary", "--timing", "-Wno-fatal", "-Wno-WIDTH", "--top-module", top, "-j", "2", "-Mdir", "obj"]
    return [["verilator", *options, "-CFLAGS", "-std=c++20 -fcoroutines", *files], [str(folder / "obj" / f"V{top}")]]


def _status(job: Job) -> list[dict[str, Any]]:
    return [p for p in job.manifest["ports"] if p["direction"] == "output" and "__" not in p["name"]]


def _instance(n: int, job: Job, stimuli: Path, out: Path) -> list[str]:
    def width(port: dict[str, Any]) -> str:
        return f"[{port['width'] - 1}:0]"

    ports = {port["name"]: port for port in job.manifest["ports"]}
    lines, pins = [], [".clk(clk)", ".rst(rst)"]
    for name, port in ports.items():
        if name in ("clk", "rst"):
            continue
        kind = "wire" if port["direction"] == "output" else "reg"
        value = ""
        if kind == "reg":
            value = f" = {port['width']}'d{job.constants.get(name, 0) % (1 << port['width'])}"
        if name in ("clear", "o__ready"):
            value = " = 1'b1"
        lines.append(f"  {kind} {width(port)} u{n}_{name}{value};")
        pins.append(f".{name}(u{n}_{name})")
    shown = [f"u{n}_{name}" for name in ("o__valid", "o__payload", *(port["name"] for port in _status(job)))]
    count = len(job.beats)
    return [
        *lines,
        f"  u{n}_{job.manifest['top']} u{n} ({', '.join(pins)});",
        f"  reg {width(ports['i__payload'])} u{n}_beats [0:{count - 1}];",
        f"  integer u{n}_sent = 0, u{n}_after = 0, u{n}_file;",
        f'  initial begin $readmemh("{stimuli}", u{n}_beats); u{n}_file = $fopen("{out}", "w"); end',
        "  always @(negedge clk) if (!rst) begin",
        f'    if (u{n}_after < 60) $fdisplay(u{n}_file, "{" ".join("%h" for _ in shown)}", {", ".join(shown)});',
        f"    if (u{n}_after == 60) begin $fclose(u{n}_file); done = done + 1; end",
        f"    if (u{n}_sent == {count}) begin u{n}_after = u{n}_after + 1; u{n}_i__valid = 0; end",
        f"    else begin u{n}_i__payload = u{n}_beats[u{n}_sent]; u{n}_i__valid = 1; u{n}_sent = u{n}_sent + 1; end",
        "  end",
    ]


def _read(out: Path, job: Job) -> list[Left]:
    names = [port["name"] for port in _status(job)]
    rows = [line.split() for line in out.read_text().splitlines()]
    return [
        Left(int(row[1], 16), dict(zip(names, (int(word, 16) for word in after[2:]), strict=True)))
        for row, after in pairwise(rows)
        if int(row[0])
    ]
