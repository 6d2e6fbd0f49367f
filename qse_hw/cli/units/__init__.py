"""The units on the command line, one module each: ``add_arguments(parser)`` and ``config(args)``."""

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module

from qse_hw.rtl_gen.emit.unit import UNITS, UnitConfig, check_unit

SUMMARIES = {
    "encoder": "values to codes",
    "decoder": "codes to integers",
    "linear": "codes times INT8 weights, requantised",
    "hadamard": "streaming Hadamard transform",
    "quantizer": "encoder with AXI4-Stream and AXI4-Lite",
}
assert tuple(SUMMARIES) == UNITS


class _Parsers(dict[str, argparse.ArgumentParser]):
    """The units' parsers; asked whether it has another one, it says which units there are, where argparse rambles."""

    def __contains__(self, name: object) -> bool:
        return bool(check_unit(str(name), tuple(self)))


def add_unit_parsers(
    parser: argparse.ArgumentParser,
    common: Callable[[argparse.ArgumentParser], None],
    *,
    names: Sequence[str] = UNITS,
    required: bool = True,
) -> None:
    """A subcommand per unit of ``names``, with the unit's own options and those that ``common`` adds.

    Parsing raises InputError if there is no such unit, and if there is none but it is ``required``.
    """
    units = parser.add_subparsers(dest="unit", metavar="UNIT", required=required, title="units")
    for name in names:
        summary = SUMMARIES[name]
        unit = units.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        import_module(f"qse_hw.cli.units.{name}").add_arguments(unit)
        common(unit)
    units.choices = _Parsers(units.choices)


def unit_config(args: argparse.Namespace) -> UnitConfig:
    """The unit that the arguments describe."""
    found: UnitConfig = import_module(f"qse_hw.cli.units.{args.unit}").config(args)
    return found
