"""The whole path on the bundled model: capture, calibrate, gen, replay, synthesize, plan, compare, eval, bench; at last
its accelerator writes."""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from qse_hw.cli import run_command
from qse_hw.cli.arguments import check_output
from qse_hw.golden.calibration.calibration import read_calibration
from qse_hw.golden.io.activations import read_activations
from qse_hw.golden.io.npy import write_array
from qse_hw.study.console import console, table

FORMATS = "quamba,int8-asym,se8,se9-paper,tuned:segments=4,tuned:segments=6,lloyd-max"
PLANNED = "mamba-130m"
PROMPT, WRITTEN = "The whale ", 30  # what the accelerator goes on with, and for how many tokens
LAYER = 3  # whose unit is generated and synthesized, and whose histogram is drawn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The output folder."""
    parser.add_argument("-o", "--output", metavar="DIR", default="qse-demo", help="folder to write (default qse-demo)")


def run(args: argparse.Namespace) -> None:
    """Run the steps as a user would type them, then sum up."""
    folder = Path(args.output)
    check_output(folder / "picture.png")
    begun = time.perf_counter()
    activations, calibration = folder / "activations.safetensors", folder / "calibration.json"
    _step("Look for the tools", "doctor")
    _warm()
    _step("Record what the SSM of each layer gets when the bundled Mamba reads a text", "capture", "-o", activations)
    _step(
        "Find the scale of each layer's 8-bit format", "calibrate", "--activations", activations,
        "--format", "se8:L=12", "-o", calibration,
    )
    scale = read_calibration(calibration).layer(LAYER).scale
    x = read_activations(activations)[0][f"layers.{LAYER}.x"]
    write_array(folder / "x.npy", np.ascontiguousarray(x))
    numerics = ("--format", "se8:L=12", "--scale", repr(float(scale.step)))
    _step(
        f"Turn the values of layer {LAYER} into codes", "quantize", folder / "x.npy", *numerics,
        "-o", folder / "codes.npy",
    )
    _step("And back", "dequantize", folder / "codes.npy", *numerics, "-o", folder / "decoded.npy")
    unit = ("encoder", "--input", "bf16", "--calibration", calibration, "--layer", LAYER, "--target", "ecp5")
    _step("Write the Verilog of that layer's encoder", "gen", *unit, "-o", folder / "encoder")
    _step(
        "And of its decoder", "gen", "decoder", "--calibration", calibration, "--layer", LAYER,
        "-o", folder / "decoder",
    )
    _step(
        "Send all recorded values through the Verilog, and compare every code", "replay", "--activations", activations,
        "--calibration", calibration, "--json", folder / "replay.json",
    )
    _step(
        "Place and route the encoder on an ECP5, beside plain INT8", "synth", *unit, "--json", folder / "synth.json",
        "--png", folder / "synth.png",
    )
    _step(
        f"Count the cycles of an accelerator for {PLANNED}", "plan", "--model", PLANNED, "--json", folder / "plan.json"
    )
    _step(
        "Compare PyTorch with the golden model, and the formats' errors", "compare", "--activations", activations,
        "--json", folder / "compare.json",
    )
    _step(
        "Measure what formats do to the model's predictions", "eval", "--formats", FORMATS, "--tokens", 4096,
        "--json", folder / "eval.json",
    )
    _step(
        "Measure the speed of quantizing, generating and replaying", "bench", "--parts", "quantize,generate,replay",
        "--json", folder / "bench.json",
    )
    pictured = ("--png", folder / "accelerator.png", "--json", folder / "generate.json")
    _step(
        "Let the Verilog of the whole Mamba write, and compare all of its values", "generate", "--prompt", PROMPT,
        "--tokens", WRITTEN, "--rtl", *pictured,
    )

    from qse_hw.study.picture import draw

    reports = ("replay", "synth", "compare", "eval", "bench", "generate")
    figures = {name: json.loads((folder / f"{name}.json").read_text()) for name in reports}
    choice = read_calibration(calibration).layer(LAYER)
    draw(
        folder / "picture.png", x, choice, figures["compare"]["sqnr_db"],
        title=f"SSM input of layer {LAYER}, {x.size:,} values; the segments of se8 (L = 12)",
    )  # fmt: skip
    console.rule("summary")
    table("From a trained Mamba to replayed, synthesized RTL", ["what", "result"], _summary(figures))
    console.print("files:")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        console.print(f"  {path}  ({path.stat().st_size:,} bytes)")
    console.print(f"done in {time.perf_counter() - begun:.0f} s")


@contextmanager
def _timed(purpose: str) -> Iterator[None]:
    """Say what a step is for before it, and how long it took after it."""
    console.rule(purpose, align="left")
    begun = time.perf_counter()
    yield
    console.print(f"took {time.perf_counter() - begun:.1f} s")


def _step(purpose: str, command: str, *arguments: object) -> None:
    """Run a command as a user would type it."""
    words = [str(argument) for argument in arguments]
    with _timed(purpose):
        console.print(f"$ python -m qse_hw {' '.join([command, *words])}", markup=False)
        status = run_command(command, words)
        if status:
            raise SystemExit(status)


def _warm() -> None:
    """Start Yosys and nextpnr, so that their WebAssembly is compiled once, not by two processes at a time."""
    from qse_hw.synth import yosys

    with _timed("Start Yosys and nextpnr; the first time on a machine they are compiled"):
        for tool in (yosys.YOSYS, yosys.NEXTPNR):
            yosys.start(tool)


def _summary(figures: dict[str, Any]) -> list[list[str]]:
    replay, synth, compare, bench = (figures[name] for name in ("replay", "synth", "compare", "bench"))
    formats = figures["eval"]["formats"]
    mean = {name: float(np.mean(values)) for name, values in compare["sqnr_db"].items()}
    rows = [["SQNR, mean over layers", ", ".join(f"{name} {value:.1f} dB" for name, value in mean.items())]]
    worst = {name: result["worst"]["held_out"]["distance_db"] for name, result in formats.items()}
    decibels = ", ".join(f"{name} {value:.1f} dB" for name, value in worst.items())
    rows.append(["below the 8-bit limit, worst layer", decibels])
    nats = ", ".join(f"{name} {1e6 * result['kl']['mean']:.0f}" for name, result in formats.items())
    rows.append(["KL of the model's output, x 1e-6 nat", nats])
    differences = sum(row["differences"] for row in compare["equality"])
    rows.append(["PyTorch against golden", f"{differences} differences"])
    rows += [
        [f"replay, {run['run']}", f"{run['values']:,} values, {run['mismatches']} mismatches"] for run in replay["runs"]
    ]
    for unit in synth["results"]:
        area, name = unit["area"], unit["parameters"]["format"]["name"]
        rows.append([
            f"encoder {name}, {unit['parameters']['input']}",
            f"{area['comb']} COMB, {area['ff']} FF, {area['dsp']} DSP, {unit['fmax']['median']:.0f} MHz",
        ])  # fmt: skip
    ratios = bench["quantize"]["speed_relative_to"]["se8, NumPy"]
    rows.append(["se8 in NumPy, speed", ", ".join(f"{ratio:.2f} x {name}" for name, ratio in ratios.items())])
    rows.append(["replay, speed", f"{bench['replay']['ratio']['full speed']:.0f} x a one-lane testbench"])
    written = figures["generate"]
    compared = f"{written['values_compared']:,} values, {written['mismatches']} mismatches"
    rows.append(["accelerator against integer model", compared])
    rows.append(["written by the Verilog", written["prompt"] + written["text"]])
    return rows
