"""Find every layer's format and scale, by least squared error and by Quamba's percentile.

--recipe integer: the format of every tensor of the model, for integers only between token and logits. --model
random:mamba-2.8b and the like: random weights of a published shape, to see what calibrating x costs.
"""

import argparse
import resource
import time
from typing import Any

from qse_hw.cli import calibrate_integer
from qse_hw.cli.arguments import FORMAT_HELP, check_output, refuse_options, set_defaults
from qse_hw.golden.calibration.calibration import Calibration, check_objective, size_in_words, write_calibration
from qse_hw.golden.calibration.candidates import describe
from qse_hw.golden.calibration.headroom import DEFAULT, MAX_HEADROOM
from qse_hw.golden.calibration.percentile import ALPHA, check_alpha
from qse_hw.golden.calibration.sharing import MODES, check_mode
from qse_hw.golden.calibration.spec import add_headroom, parse_format
from qse_hw.golden.checks import one_of
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import check_scale_bits
from qse_hw.golden.io.environment import environment
from qse_hw.golden.io.files import write_json
from qse_hw.study.calibrate import calibrated
from qse_hw.study.console import console, table
from qse_hw.study.sources import (
    add_activation_arguments,
    add_model_arguments,
    from_file_or_default,
    integer,
    stream,
    stream_model,
)

SCHEMA = "qse-hw/calibrate/1"
RECIPES = ("x-only", "integer")
FORMAT, MODE, OBJECTIVE, SCALE_BITS = "se8", "free", "x", 16
X_ONLY = ("activations", "alpha", "scale_bits")
"""Options of this recipe alone."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model or activations, recipe, format, output."""
    add_model_arguments(parser)
    add_activation_arguments(parser)
    parser.add_argument(
        "--recipe", default="x-only", help="x-only: formats of x alone (default); integer: of every tensor of the model"
    )
    parser.add_argument(
        "--format",
        metavar="F",
        help=f"{FORMAT_HELP}; a bare name leaves its parameters open; tuned or tuned:segments=N,bits=B (6, 8) is "
        f"searched for (default {FORMAT}; integer: {calibrate_integer.FORMAT})",
    )
    parser.add_argument(
        "--headroom",
        metavar="M",
        type=float,
        help=f"fit a tuned format to outliers up to M times the peak, 1 to {MAX_HEADROOM:g} (default {DEFAULT:g}); "
        "costs most in tiny or sparse layers, for which 1 (no headroom) is better; the same as tuned:headroom=M",
    )
    parser.add_argument(
        "--mode",
        metavar="M",
        help=f"what layers share: {', '.join(MODES)} (default {MODE}); with --recipe integer there is no runtime, and "
        "what is shared is all that hardware serving every layer needs: every format, the types of the function units",
    )
    parser.add_argument(
        "--objective",
        metavar="O",
        help=f"whose error is least: the tensor's own (x), or the layer's output's (output) (default {OBJECTIVE}); "
        "with --recipe integer, also the model's distribution's (loss), or the better of x and loss for each tensor, "
        f"measured (model) (default {calibrate_integer.OBJECTIVE})",
    )
    parser.add_argument("--alpha", metavar="A", type=float, help=f"percentile (default {ALPHA})")
    parser.add_argument(
        "--scale-bits", metavar="B", type=integer, help=f"width of M, 1 to 20 (default {SCALE_BITS})"
    )
    calibrate_integer.add_arguments(parser)
    parser.add_argument("--json", metavar="FILE", help="also write time and peak memory to this file")
    parser.add_argument("-o", "--output", metavar="calib.json", required=True, help="file to write")


def run(args: argparse.Namespace) -> None:
    """Calibrate, write and summarise."""
    one_of(args.recipe, RECIPES, "Recipe")
    begun = time.perf_counter()
    if args.recipe == "integer":
        refuse_options(args, X_ONLY, "x-only")
        origin, sizes = calibrate_integer.run(args)
    else:
        refuse_options(args, calibrate_integer.OPTIONS, "integer")
        origin, sizes = _calibrate_x(args)
    finish(args, begun, origin, sizes)


def _calibrate_x(args: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """The same for formats of x: what was calibrated, in words, and its sizes."""
    set_defaults(args, format=FORMAT, mode=MODE, objective=OBJECTIVE, alpha=ALPHA, scale_bits=SCALE_BITS)
    spec = add_headroom(parse_format(args.format), args.headroom)
    check_scale_bits(args.scale_bits)
    check_mode(args.mode)
    check_objective(args.objective)
    check_alpha(args.alpha)
    if args.activations is not None:
        if (args.model, args.text) != (None, None):
            raise InputError("Activations must come from a file or from a model and text: give either, not both")
        if args.objective == "output":
            raise InputError("Objective output needs the model: give --model and --text instead of --activations")
    for path in filter(None, (args.output, args.json)):
        check_output(path)
    if args.activations is None:
        layers = stream_model(args, args.objective)
    else:
        layers = stream(from_file_or_default(args.activations))
    result = calibrated(layers, spec, mode=args.mode, alpha=args.alpha, scale_bits=args.scale_bits)
    write_calibration(args.output, result)
    show(result)
    if layers.note:
        console.print(layers.note)
    return layers.origin, {"layers": len(result.layers), "tokens": result.tokens, "channels": result.channels}


def finish(args: argparse.Namespace, begun: float, origin: str, sizes: dict[str, Any]) -> None:
    """Say, and write if asked to, how long it took and how much memory."""
    seconds, memory = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    console.print(f"{origin}: {seconds:.0f} s, peak memory {memory:.2f} GiB")
    if args.json is not None:
        write_json(args.json, {
            "schema": SCHEMA, "command": args.command, **environment(), "origin": origin, **sizes,
            "seconds": round(seconds, 1), "peak_memory_gib": round(memory, 2),
        })  # fmt: skip
    console.print(f"written: {args.output}")


def show(result: Calibration) -> None:
    """Print formats and scales and what they give."""
    outputs = result.objective == "output" and result.mode == "free"
    rows = []
    for number, layer in enumerate(result.layers):
        best, quamba = result.layer(number), layer["percentile"]
        row = [str(number), describe(best.quantizer), f"{best.sqnr_db:.2f}"]
        row += ["-", "-"] if quamba is None else [f"{float(quamba.scale.step):.4g}", f"{quamba.sqnr_db:.2f}"]
        if outputs:
            at_output = [None if fit is None else fit.output_sqnr_db for fit in (best, quamba)]
            row += ["-" if value is None else f"{value:.2f}" for value in at_output]
        rows.append(row)
    without = any(layer["percentile"] is None for layer in result.layers)
    columns = ["layer", "codes at steps, zero point, s", "SQNR dB", f"s at {result.alpha}", "SQNR dB"]
    tokens = size_in_words(result.tokens)
    table(
        f"Calibration of {result.format}, {tokens} tokens, mode {result.mode}, objective {result.objective}",
        columns + (["output", "output"] if outputs else []),
        rows,
        caption="SQNR first with least squared error, then with Quamba's percentile as s"
        + ("; at the layer's output likewise" if outputs else "")
        + ("" if result.mode == "free" else "; its formats are each layer's own, whatever the layers share")
        + ("; -: the percentile gives no scale for the format" if without else ""),
    )
