"""Write a unit's Verilog, a manifest of it and vectors to check it with."""

import argparse

from qse_hw.arguments import add_unit_arguments, unit_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """UNIT options and the output folder."""
    add_unit_arguments(parser)
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="folder to write to")


def run(args: argparse.Namespace) -> None:
    """Write the files and name them."""
    config = unit_config(args)
    from rtl_gen.emit import write

    for path in write(config, args.output):
        print(path)
    if config.scale is not None:
        print(f"scale: {config.scale}")
