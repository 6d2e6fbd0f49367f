"""Find the format parameters and the scale of every layer, by least squared error and by Quamba's percentile."""

import argparse

from golden.calibrate import ALPHA, check_alpha
from golden.calibration import Calibration, calibrate, write_calibration
from golden.errors import InputError
from golden.presets import load_format
from golden.scale import check_scale_bits
from qse_hw.arguments import FORMAT_HELP, check_output, integer
from qse_hw.console import console, progress, table
from qse_hw.sources import Activations, add_activation_arguments, add_model_arguments, from_file_or_default, from_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model or activations, format, output."""
    add_model_arguments(parser)
    add_activation_arguments(parser)
    parser.add_argument(
        "--format", metavar="F", default="se8", help=f"{FORMAT_HELP}; a bare name leaves its parameters open"
    )
    parser.add_argument("--alpha", metavar="A", type=float, default=ALPHA, help=f"percentile (default {ALPHA})")
    parser.add_argument("--scale-bits", metavar="B", type=integer, default=16, help="width of M, 1 to 20 (default 16)")
    parser.add_argument("-o", "--output", metavar="calib.json", required=True, help="file to write")


def run(args: argparse.Namespace) -> None:
    """Calibrate, write and summarise."""
    load_format(args.format)
    check_scale_bits(args.scale_bits)
    check_alpha(args.alpha)
    if args.activations is not None and (args.model, args.text) != (None, None):
        raise InputError("Activations must come from a file or from a model and text: give either, not both")
    check_output(args.output)
    with console.status("running the model" if args.activations is None else "reading"):
        found = from_model(args) if args.activations is None else from_file_or_default(args.activations)
    result = calibrated(found, args.format, alpha=args.alpha, scale_bits=args.scale_bits)
    write_calibration(args.output, result)
    show(result)
    console.print(f"written: {args.output}")


def calibrated(found: Activations, spec: str, *, alpha: float = ALPHA, scale_bits: int = 16) -> Calibration:
    """Calibrate with a progress bar."""
    with progress() as report:
        report(f"calibrating {spec}", 0)
        return calibrate(
            found.tensors, spec, model=found.model, alpha=alpha, scale_bits=scale_bits,
            progress=lambda layer: report(f"calibrating {spec}", (layer + 1) / len(found.tensors)),
        )


def show(result: Calibration) -> None:
    """Print the scales and what they give."""
    rows = []
    for number, layer in enumerate(result.layers):
        best, quamba = layer["least_squares"], layer["percentile"]
        counts = " + ".join(str(segment.codes) for segment in best.format.segments)
        rows.append([
            str(number), counts, str(best.format.zero_point), f"{float(best.scale.step):.6g}", f"{best.sqnr_db:.2f}",
            f"{float(quamba.scale.step):.6g}", f"{quamba.sqnr_db:.2f}",
        ])  # fmt: skip
    table(
        f"Calibration of {result.format}, {result.tokens} tokens",
        ["layer", "codes per segment", "zero point", "s", "SQNR dB", f"s at {result.alpha}", "SQNR dB"],
        rows,
        caption="first s and SQNR: least squared error; second: Quamba's percentile",
    )
