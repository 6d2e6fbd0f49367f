"""The linear unit's options."""

import argparse

from qse_hw.cli.arguments import add_format_arguments, format_and_scale
from qse_hw.rtl_gen.emit.unit import TARGETS, UnitConfig
from qse_hw.study.sources import integer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Format, matrix, tile and target."""
    add_format_arguments(parser)
    parser.add_argument("--inputs", metavar="N", type=integer, required=True, help="length of a vector")
    parser.add_argument("--outputs", metavar="N", type=integer, required=True, help="results per vector")
    parser.add_argument(
        "--rows", metavar="N", type=integer, default=1, help="results at a time, a divisor of the outputs (default 1)"
    )
    parser.add_argument("--columns", metavar="N", type=integer, default=1, help="codes per cycle (default 1)")
    parser.add_argument("--target", metavar="T", default="generic", help=f"{' or '.join(TARGETS)} (default generic)")


def config(args: argparse.Namespace) -> UnitConfig:
    """The linear unit that the arguments describe."""
    from qse_hw.rtl_gen.units.linear import LinearConfig

    return LinearConfig(
        format=format_and_scale(args)[0],
        inputs=args.inputs,
        outputs=args.outputs,
        rows=args.rows,
        columns=args.columns,
        target=args.target,
    )
