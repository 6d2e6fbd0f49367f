"""The encoder's options."""

import argparse

from qse_hw.cli.arguments import add_format_arguments, add_lanes_argument, format_and_scale, step
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import check_scale_bits
from qse_hw.rtl_gen.emit.unit import TARGETS, UnitConfig
from qse_hw.study.sources import integer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Format, input, scale and how to build it."""
    add_format_arguments(parser)
    parser.add_argument("--input", metavar="T", default="fp32", help="fp32, fp16, bf16, sW or sWeE (default fp32)")
    add_lanes_argument(parser)
    parser.add_argument("--scale", metavar="S", help="the step s (a constant), or runtime for ports")
    parser.add_argument("--scale-bits", metavar="B", type=integer, default=16, help="width of M, 1 to 20 (default 16)")
    parser.add_argument(
        "--counter-width", metavar="W", type=integer, default=32, help="saturation counter, 0 for none (default 32)"
    )
    parser.add_argument(
        "--arch", metavar="A", default="fused",
        help="fused: one multiplier; parallel: a quantiser per segment and a multiplexer (default fused)",
    )  # fmt: skip
    parser.add_argument("--target", metavar="T", default="generic", help=f"{' or '.join(TARGETS)} (default generic)")
    parser.add_argument(
        "--pipeline", metavar="N", type=integer,
        help="optional registers, 0 for the fewest (default: see docs/units.md)",
    )  # fmt: skip


def config(args: argparse.Namespace) -> UnitConfig:
    """The encoder that the arguments describe."""
    from qse_hw.rtl_gen.units.encoder import EncoderConfig

    # checked even where a constant scale has no use for them
    input, scale_bits = input_type(args.input), check_scale_bits(args.scale_bits)
    if args.calibration is None and args.layer is None and args.scale is None:
        raise InputError("Scale must be given: --scale S, --scale runtime or --calibration FILE --layer K")
    format, scale = format_and_scale(args, step=args.scale)
    if args.scale is not None and args.scale != "runtime":
        scale = step(args.scale, scale_bits)
    return EncoderConfig(
        format=format,
        input=input,
        scale=scale,
        scale_bits=scale_bits,
        lanes=args.lanes,
        counter_width=args.counter_width,
        arch=args.arch,
        target=args.target,
        pipeline=args.pipeline,
    )
