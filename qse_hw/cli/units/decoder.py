"""The decoder's options."""

import argparse

from qse_hw.cli.arguments import add_format_arguments, add_lanes_argument, format_and_scale
from qse_hw.rtl_gen.emit.unit import UnitConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Format and lanes."""
    add_format_arguments(parser)
    add_lanes_argument(parser)


def config(args: argparse.Namespace) -> UnitConfig:
    """The decoder that the arguments describe."""
    from qse_hw.rtl_gen.units.decoder import DecoderConfig

    format, scale = format_and_scale(args)
    return DecoderConfig(format=format, scale=scale, lanes=args.lanes)
