"""The options of the quantiser with buses."""

import argparse

from qse_hw.cli.arguments import add_format_arguments, add_lanes_argument, format_and_scale, step
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scale import check_scale_bits
from qse_hw.rtl_gen.emit.unit import TARGETS, UnitConfig
from qse_hw.study.sources import integer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Initial format and scale, input, and how to build it."""
    add_format_arguments(parser)
    parser.add_argument("--input", metavar="T", default="fp32", help="fp32, fp16, bf16, sW or sWeE (default fp32)")
    add_lanes_argument(parser)
    parser.add_argument("--scale", metavar="S", help="the step s after a reset (default: the calibration's, or 1)")
    parser.add_argument("--scale-bits", metavar="B", type=integer, default=16, help="width of M, 1 to 20 (default 16)")
    parser.add_argument("--target", metavar="T", default="generic", help=f"{' or '.join(TARGETS)} (default generic)")
    parser.add_argument(
        "--pipeline", metavar="N", type=integer,
        help="optional registers, 0 for the fewest (default: see docs/units.md)",
    )  # fmt: skip


def config(args: argparse.Namespace) -> UnitConfig:
    """The quantiser that the arguments describe."""
    from qse_hw.rtl_gen.units.quantizer import QuantizerConfig

    input, scale_bits = input_type(args.input), check_scale_bits(args.scale_bits)
    format, scale = format_and_scale(args, step=args.scale)
    return QuantizerConfig(
        format=format,
        input=input,
        scale=scale if scale is not None else step(args.scale or "1", scale_bits),
        lanes=args.lanes,
        target=args.target,
        pipeline=args.pipeline,
    )
