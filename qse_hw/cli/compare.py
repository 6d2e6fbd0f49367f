"""Compare PyTorch, or generated Verilog as well, with the golden model on the same tensors; SQNR by layer and format.

With --verilog DIR, the encoder or decoder that "gen" wrote to DIR is compiled and gets the same values, rounded to its
input type, and its test vectors (a decoder: every code, and the codes of the values). Verilog that differs from its
manifest is refused.
"""

import argparse
import math
from dataclasses import asdict
from typing import Any

from qse_hw.cli.arguments import check_output, command_without
from qse_hw.golden.calibration.calibration import LayerCalibration
from qse_hw.golden.calibration.candidates import Sample
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import PRESETS
from qse_hw.golden.formats.scale import Scale, scale_from_text
from qse_hw.golden.io.environment import environment
from qse_hw.golden.io.files import write_json
from qse_hw.study.console import console, progress, table
from qse_hw.study.sources import Activations, add_activation_arguments, from_file_or_default

SCHEMA = "qse-hw/compare/1"
ROUND_TRIP_SCHEMA = "qse-hw/round-trip/1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Activations, a generated unit and a report file."""
    add_activation_arguments(parser)
    parser.add_argument("--verilog", metavar="DIR", help="folder of an encoder or decoder from gen: compare it, too")
    parser.add_argument(
        "--scale", metavar="S",
        help="with --verilog: the step s, if the unit has no constant one (default: that of least squared error)",
    )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="also write the figures to this file")


def run(args: argparse.Namespace) -> None:
    """Compare, print, and fail if anything differs."""
    if args.verilog is not None:
        return run_verilog(args)
    if args.scale is not None:
        raise InputError(f"Scale {args.scale} needs a generated unit: give --verilog DIR")
    if args.json is not None:
        check_output(args.json)
    with console.status("getting activations"):
        activations = from_file_or_default(args.activations)
    console.print(f"activations: {activations.origin}, {activations.size}")
    document = compare(activations)
    if args.json is not None:
        write_json(args.json, document)
    show(document)
    differences = sum(row["differences"] for row in document["equality"])
    if differences:
        raise SystemExit(f"{differences} differences between PyTorch and the golden model")


def compare(activations: Activations) -> dict[str, Any]:
    """Differences per format and device, and SQNR per format and layer, each format at its least-squares scale."""
    from qse_hw.golden.quantize.operators import devices

    sqnr: dict[str, list[float]] = {name: [] for name in PRESETS}
    equality = {(name, device): [0, 0] for name in PRESETS for device in devices()}
    with progress() as report:
        for number, x in enumerate(activations.tensors.values()):
            sample = Sample(x)
            for place, name in enumerate(PRESETS):
                report(f"comparing layer {number}", (number + place / len(PRESETS)) / len(activations.tensors))
                best = sample.fitter.least_squares(parse_format(name))
                choice = LayerCalibration(format=best.format, scale=best.scale, sqnr_db=sample.sqnr_db(best))
                sqnr[name].append(choice.sqnr_db)
                for device in devices():
                    counts = equality[name, device]
                    counts[0] += x.size
                    counts[1] += _differences(x, choice, device)
    return {
        "schema": SCHEMA,
        "activations": activations.origin,
        **environment(),
        "equality": [
            {"format": name, "device": device, "values": values, "differences": differences}
            for (name, device), (values, differences) in equality.items()
        ],
        "sqnr_db": {  # null: no error, SQNR is infinite
            name: [value if math.isfinite(value) else None for value in values] for name, values in sqnr.items()
        },
    }


def _differences(x: Any, choice: LayerCalibration, device: str) -> int:
    """Values whose code or decoded value differs between PyTorch on ``device`` and NumPy."""
    import numpy as np
    import torch

    from qse_hw.golden.quantize import array, operators

    codes = array.quantize(x, choice.format, choice.scale)
    values = array.dequantize(codes, choice.format, choice.scale)
    on_device = operators.quantize(torch.from_numpy(x).to(device), choice.format, choice.scale)
    decoded = operators.dequantize(on_device, choice.format, choice.scale).cpu().numpy()
    same = (on_device.cpu().numpy() == codes) & (decoded.view(np.uint32) == values.view(np.uint32))
    return int((~same).sum())


def show(document: dict[str, Any]) -> None:
    """Print both tables."""
    table(
        "PyTorch and golden model on the same values",
        ["format", "device", "values", "differences"],
        [[row["format"], row["device"], f"{row['values']:,}", str(row["differences"])] for row in document["equality"]],
    )
    layers = range(len(next(iter(document["sqnr_db"].values()))))
    rows = [
        [name, *("inf" if value is None else f"{value:.1f}" for value in values)]
        for name, values in document["sqnr_db"].items()
    ]
    table(
        "SQNR in dB by layer, each format at its least-squares scale and parameters",
        ["format", *(str(layer) for layer in layers)],
        rows,
    )


def run_verilog(args: argparse.Namespace) -> None:
    """Compare with a generated unit, too."""
    from qse_hw.sim.simulators.simulators import require
    from qse_hw.study.round_trip import SAMPLE, SEED, best_scale, round_trip
    from qse_hw.study.written_unit import read_generated
    from qse_hw.synth.cache import digest

    require("verilator")
    unit = read_generated(args.verilog)
    config: Any = unit.config
    scale: Scale | None = config.scale
    if scale is not None and args.scale is not None:
        raise InputError(f"Scale must be the one that the unit was generated with, {scale}, not given by --scale")
    bits = getattr(config, "scale_bits", 16)  # a decoder has none
    if args.scale is not None:
        scale = scale_from_text(args.scale, bits)
    if args.json is not None:
        check_output(args.json)
    with console.status("getting activations"):
        activations = from_file_or_default(args.activations)
    console.print(f"activations: {activations.origin}, {activations.size}")
    if scale is None:
        scale = best_scale(activations.tensors, config.format, bits)
    try:
        with progress() as report:
            rows, reached = round_trip(unit, activations.tensors, scale, report)
    except RuntimeError as error:  # Verilog that does not compile, or loses beats
        raise SystemExit(f"error: {error}") from error
    file, sha256 = f"{config.top}.v", digest(unit.text)
    if args.json is not None:
        document = {
            "schema": ROUND_TRIP_SCHEMA,
            "command": command_without(args.command, "json"),
            "activations": activations.origin,
            **environment(),
            "unit": config.label,
            "verilog": {"file": file, "sha256": sha256},
            "scale": asdict(scale),
            "codes": len(config.format.values),
            "codes_reached": reached,
            "seed": SEED,
            "rows": [asdict(row) for row in rows],
        }
        write_json(args.json, document)
    table(
        f"{config.label}: PyTorch and Verilog beside golden (NumPy)",
        ["what", "by", "compared", "differences"],
        [[row.what, row.by, f"{row.values:,}", f"{row.differences:,}"] for row in rows],
        caption=f"{file}, SHA-256 {sha256[:12]}, is the manifest's; {scale}; {reached} of {len(config.format.values)} "
        f"codes occur; qse_hw.golden.formats.scalar: {SAMPLE:,} values of each tensor, seed {SEED}",
    )
    differences = sum(row.differences for row in rows)
    if differences:
        first = next(row.first for row in rows if row.differences)
        raise SystemExit(f"{differences:,} differences from golden; the first: {first}")
