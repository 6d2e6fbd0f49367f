"""The integer recipe of calibrate: the format of every tensor of a model."""

import argparse
import os
from typing import TYPE_CHECKING, Any

from qse_hw.cli.arguments import check_output, set_defaults
from qse_hw.golden.calibration.spec import add_headroom, parse_format
from qse_hw.golden.checks import one_of
from qse_hw.golden.errors import InputError
from qse_hw.study.calibrate import warn_of_slow_search
from qse_hw.study.console import console, progress
from qse_hw.study.sources import integer

if TYPE_CHECKING:
    from qse_hw.golden.models.integer.transformations import Transformations
    from qse_hw.golden.models.mamba.model import Config

FORMAT, MODE, OBJECTIVE, LOCAL_BITS = "tuned", "free", "loss", 8
STATE, ROUNDING, WEIGHTS, RESIDUAL = "s16", "nearest", "row", 10
OPTIONS = ("local_bits", "bits", "state", "rounding", "weights", "residual_fraction", "without", "rounded_model")
"""Options of this recipe alone."""
TRANSFORMATIONS = ("fold_norms", "rotate_residual", "rotate_y")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How the formats are chosen."""
    group = parser.add_argument_group("with --recipe integer")
    group.add_argument(
        "--local-bits", metavar="B", type=integer,
        help=f"bits of the convolution's input, gate, B, C and dt: 8, or 16 for fixed point (default {LOCAL_BITS})",
    )
    group.add_argument(
        "--bits", metavar="B",
        help="bits of a tuned format for all tensors, 2 to 10, or by tensor as in norm=10,gate=16 (16: fixed point; "
        "default: those of --format and --local-bits)",
    )
    group.add_argument(
        "--state", metavar="S", help=f"the SSM state: s16, s24, or a tuned 8-bit format, se8 (default {STATE})"
    )
    group.add_argument(
        "--rounding", metavar="R", help=f"of the state: nearest, or stochastic by an LFSR (default {ROUNDING})"
    )
    group.add_argument(
        "--weights", metavar="G",
        help=f"one step for each row of a weight matrix, or for the tensor (default {WEIGHTS})"
    )
    group.add_argument(
        "--residual-fraction", metavar="F", type=integer,
        help=f"fraction bits of the residual stream (default {RESIDUAL})",
    )
    group.add_argument(
        "--without", metavar="T,...", help="transformations to leave out: rotate_residual (default: none is left out)"
    )  # fmt: skip
    group.add_argument(
        "--rounded-model", metavar="DIR",
        help="round the weights with error feedback first, and write that checkpoint, which the formats are then for"
    )  # fmt: skip


def run(args: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """Calibrate, write and summarise; gives what was calibrated, in words, and its sizes."""
    set_defaults(
        args, format=FORMAT, mode=MODE, objective=OBJECTIVE, local_bits=LOCAL_BITS, state=STATE, rounding=ROUNDING,
        weights=WEIGHTS, residual_fraction=RESIDUAL,
    )  # fmt: skip
    spec = add_headroom(parse_format(args.format), args.headroom)
    import torch

    from qse_hw.golden.models.integer.calibrate import calibrate_integer, check_calibration
    from qse_hw.golden.models.integer.document import write_formats
    from qse_hw.golden.models.integer.error_feedback import round_weights
    from qse_hw.golden.models.integer.options import Options
    from qse_hw.golden.models.mamba.checkpoint import load_model, locate, save_model
    from qse_hw.golden.models.mamba.layout import read_config
    from qse_hw.golden.models.mamba.text import read_text
    from qse_hw.study.integer_formats import show

    options = Options(
        spec=spec, objective=args.objective, local_bits=args.local_bits, bits=_bits(args.bits), state=args.state,
        rounding=args.rounding, weights=args.weights, residual_fraction=args.residual_fraction, mode=args.mode,
    )  # fmt: skip
    transformations = _transformations(args.without)
    for path in filter(None, (args.output, args.json)):
        check_output(path)
    if args.rounded_model is not None:
        _check_rounded_model(args.rounded_model, args.model)
    config = read_config(locate(args.model))
    check_widths(transformations, config, "give --without rotate_residual")
    text = read_text(args.text, vocab_size=config.vocab_size, directory=args.model)
    check_calibration(config, text.ids, tokens=args.tokens, options=options, transformations=transformations)
    warn_of_slow_search([spec])
    model, layers = load_model(args.model), config.n_layer
    with progress() as report:
        if args.rounded_model is not None:
            model = round_weights(
                model, text.ids, tokens=args.tokens, granularity=args.weights, transformations=transformations,
                progress=lambda layer: report("rounding weights", (layer + 1) / layers),
            )  # fmt: skip
        what = f"calibrating every tensor, {spec}"
        report(what, 0)
        formats = calibrate_integer(
            model, text.ids, tokens=args.tokens, options=options, transformations=transformations,
            progress=lambda layer: report(what, (layer + 1) / layers),
        )  # fmt: skip
    if args.rounded_model is not None:
        save_model(model, args.rounded_model, dtype=torch.float32)
    write_formats(args.output, formats)
    show(formats, config)
    console.print(f"calibrated on {formats.tokens} tokens")
    return (
        f"{args.model or 'bundled model'} on {text.source}",
        {"layers": layers, "tokens": formats.tokens, "channels": config.d_inner},
    )


def check_widths(transformations: "Transformations", config: "Config", remedy: str) -> None:
    """InputError unless there is a Hadamard matrix for every rotation; ``remedy``: how to do without one of the
    residual stream.
    """
    from qse_hw.golden.models.integer.transformations import ORDERS

    for name, width in transformations.unsuitable(config).items():
        what = "d_model" if name == "rotate_residual" else "expand * d_model"
        way = f"{remedy}, or pad" if name == "rotate_residual" else "pad"
        raise InputError(
            f"{what} must be a width that can be rotated, not {width}: {ORDERS}; {way} the channels with zeros"
        )


def _check_rounded_model(directory: str, source: str | None) -> None:
    """InputError, before a long run, if the checkpoint could not be written after it, or would replace its source."""
    if source is not None and os.path.realpath(directory) == os.path.realpath(source):
        raise InputError(f"Rounded model must have a folder of its own, not {source}, which it would replace")
    for name in ("model.safetensors", "config.json"):
        check_output(os.path.join(directory, name))


def _bits(text: str | None) -> int | dict[str, int] | None:
    """Bits for all tensors, or by tensor."""
    if text is None:
        return None
    bits: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        if not number.strip().isdecimal() or (not name and part != text) or name in bits:
            raise InputError(f"Bits must be a number, or TENSOR=NUMBER,... with each tensor once, not {text!r}")
        bits[name.strip()] = int(number)
    return bits.get("", bits)


def _transformations(without: str | None) -> "Transformations":
    from qse_hw.golden.models.integer.transformations import Transformations

    names = [] if without is None else [name.strip() for name in without.split(",") if name.strip()]
    for name in names:
        one_of(name, TRANSFORMATIONS, "Transformation")
        if name != "rotate_residual":
            raise InputError(
                f"Transformation {name} must be made, as the integer model has no other way; take it off --without"
            )
    return Transformations(rotate_residual=not names)
