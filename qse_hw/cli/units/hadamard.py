"""The Hadamard transform's options."""

import argparse

from qse_hw.cli.arguments import add_lanes_argument
from qse_hw.rtl_gen.emit.unit import TARGETS, UnitConfig
from qse_hw.study.sources import integer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Size, width, lanes and how to build it."""
    parser.add_argument(
        "--size", metavar="N", type=integer, required=True, help="values of a vector: 2^k, 12 2^k, 20 2^k or 40 2^k"
    )
    parser.add_argument("--width", metavar="B", type=integer, default=8, help="bits of the inputs (default 8)")
    add_lanes_argument(parser)
    parser.add_argument("--transpose", action="store_true", help="multiply by the transposed matrix: the inverse's")
    parser.add_argument("--target", metavar="T", default="generic", help=f"{' or '.join(TARGETS)} (default generic)")


def config(args: argparse.Namespace) -> UnitConfig:
    """The transform that the arguments describe."""
    from qse_hw.rtl_gen.units.hadamard import HadamardConfig

    return HadamardConfig(
        size=args.size, width=args.width, lanes=args.lanes, transpose=args.transpose, target=args.target
    )
