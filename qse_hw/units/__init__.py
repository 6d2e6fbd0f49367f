"""The units on the command line, one module each: ``add_arguments(parser)`` and ``config(args)``."""

import argparse
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

from rtl_gen.unit import UNITS, UnitConfig

SUMMARIES = {
    "encoder": "values to codes",
    "decoder": "codes to integers",
    "linear": "codes times INT8 weights, requantised",
    "hadamard": "streaming Hadamard transform",
    "quantizer": "encoder with AXI4-Stream and AXI4-Lite",
}
assert tuple(SUMMARIES) == UNITS


def add_unit_parsers(
    parser: argparse.ArgumentParser, common: Callable[[argparse.ArgumentParser], None]
) -> None:
    """A subcommand per unit, with the unit's own options and those that ``common`` adds."""
    units = parser.add_subparsers(dest="unit", metavar="UNIT", required=True, title="units")
    for name, summary in SUMMARIES.items():
        if find_spec(f"qse_hw.units.{name}") is None:  # TODO lead: remove when all are there
            continue
        unit = units.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        import_module(f"qse_hw.units.{name}").add_arguments(unit)
        common(unit)


def unit_config(args: argparse.Namespace) -> UnitConfig:
    """The unit that the arguments describe."""
    found: UnitConfig = import_module(f"qse_hw.units.{args.unit}").config(args)
    return found
