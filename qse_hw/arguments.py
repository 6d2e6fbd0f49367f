"""Command-line arguments that several commands share, and what they stand for."""

import argparse
import os
from contextlib import suppress
from pathlib import Path

from golden.errors import InputError
from golden.files import replacing
from golden.inputs import input_type
from golden.presets import PRESETS, load_format
from golden.scale import Scale, check_scale_bits
from rtl_gen.unit import UNITS, UnitConfig

FORMAT_HELP = f"{', '.join(PRESETS)}, with parameters as in se8:L=12, or a .json file"


def add_unit_arguments(parser: argparse.ArgumentParser) -> None:
    """UNIT and the options that describe it."""
    parser.add_argument("unit", metavar="UNIT", help=f"one of {', '.join(UNITS)}")
    parser.add_argument("--format", metavar="F", help=f"{FORMAT_HELP} (default: the calibration's, or se8)")
    parser.add_argument("--input", metavar="T", default="fp32", help="fp32, fp16, bf16, sW or sWeE (default fp32)")
    parser.add_argument("--lanes", metavar="N", type=integer, default=1, help="values per cycle (default 1)")
    parser.add_argument("--scale", metavar="S", help="the step s (a constant), or runtime for ports")
    parser.add_argument("--scale-bits", metavar="B", type=integer, default=16, help="width of M, 1 to 20 (default 16)")
    parser.add_argument("--calibration", metavar="FILE", help="take format and scale from this file")
    parser.add_argument("--layer", metavar="K", type=integer, help="layer of the calibration")
    parser.add_argument(
        "--counter-width", metavar="W", type=integer, default=32, help="saturation counter, 0 for none (default 32)"
    )


def unit_config(args: argparse.Namespace) -> UnitConfig:
    """The unit that :func:`add_unit_arguments`' arguments describe."""
    if args.unit not in UNITS:
        raise InputError(f"Unit must be one of {', '.join(UNITS)}, not {args.unit!r}")
    from rtl_gen.encoder import check_lanes
    from rtl_gen.status import check_counter_width

    # all of them, even those that the unit or a constant scale has no use for
    input, lanes, scale_bits = input_type(args.input), check_lanes(args.lanes), check_scale_bits(args.scale_bits)
    counter_width = check_counter_width(args.counter_width)
    scale: Scale | None = None
    if args.calibration is not None:
        from golden.calibration import read_calibration

        if args.layer is None:
            raise InputError("Layer must be given with a calibration, e.g. --layer 0")
        if args.scale is not None:
            raise InputError(f"Scale must come from the calibration or from --scale {args.scale}, not from both")
        calibration = read_calibration(args.calibration)
        layer = calibration.layer(args.layer)
        format, scale = layer.format, layer.scale
        if args.format is not None:
            calibration.check_format(args.layer, args.format)
    else:
        if args.layer is not None:
            raise InputError(f"Layer {args.layer} needs a calibration: give --calibration FILE")
        format = load_format(args.format or "se8")
        if args.unit == "encoder" and args.scale is None:
            raise InputError("Scale must be given: --scale S, --scale runtime or --calibration FILE --layer K")
        if args.scale is not None and args.scale != "runtime":
            scale = step(args.scale, scale_bits)
    return UnitConfig(
        unit=args.unit,
        format=format,
        input=input if args.unit == "encoder" else None,
        scale=scale,
        scale_bits=scale_bits,
        lanes=lanes,
        counter_width=counter_width,
    )


def step(text: str, bits: int = 16) -> Scale:
    """The scale with step ``text``."""
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"Scale must be a number, not {text!r}") from None
    return Scale.from_step(value, bits)


def check_output(path: str) -> None:
    """InputError, before a long run, if ``path`` could not be written after it; leaves nothing behind."""
    missing = [folder for folder in Path(path).parents if not os.path.lexists(folder)]
    try:
        with suppress(_Enough), replacing(path):
            raise _Enough
    finally:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()


class _Enough(Exception):
    """Ends :func:`replacing` without a file."""


def integer(text: str) -> int:
    """An integer argument; its range is checked by what it configures."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be an integer, not {text!r}") from None
