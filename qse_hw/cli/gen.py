"""Write a unit's Verilog, a manifest of it and vectors to check it with."""

import argparse

from qse_hw.cli.units import add_folder, add_unit_parsers, unit_config
from qse_hw.golden.formats.scalar import only_zero
from qse_hw.rtl_gen.emit.unit import UNITS, WHOLE
from qse_hw.study.console import warn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The units, their options and the output folder."""
    add_unit_parsers(parser, _add_output, names=(*UNITS, *WHOLE))


def _add_output(parser: argparse.ArgumentParser) -> None:
    add_folder(parser, "folder to write to")
    parser.add_argument(
        "--name", metavar="NAME", help="with which the names of all modules and files begin (default: qse_UNIT)"
    )


def run(args: argparse.Namespace) -> None:
    """Write the files and name them."""
    config = unit_config(args)
    if args.name is not None:
        config = config.named(args.name)
    from qse_hw.rtl_gen.emit.emit import write

    for path in write(config, args.directory):
        print(path)
    accuracy = config.facts().get("accuracy")
    if accuracy is not None:
        error, bound = accuracy["error"], accuracy["bound"]
        print(f"error: {error:.6g} at most, {bound:.6g} allowed; segments: {accuracy['segments']}")
    scale = getattr(config, "scale", None)
    if scale is not None:
        print(f"scale: {scale}")
        input = getattr(config, "input", None)
        if input is not None and only_zero(input, config.format, scale):  # type: ignore[attr-defined]
            warn(
                f"Scale {float(scale.step):.6g} is so large that every value of input {input.name} has the code of 0; "
                "give a smaller one"
            )
