"""Units with several values of each option on the command line: all combinations, as configurations."""

import argparse
from collections.abc import Mapping
from itertools import product
from typing import Any

from qse_hw.cli.units import Settings, arguments, unit_config
from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.unit import UNITS, WHOLE, UnitConfig, check_unit, unit_class
from qse_hw.rtl_gen.units.options import flag

SYNTHESIZED = (*UNITS, *WHOLE)


def add_grid_arguments(parser: argparse.ArgumentParser) -> None:
    """The units, and the options of all of them, each with one or more values."""
    parser.add_argument("units", nargs="+", metavar="UNIT", help=f"one or more of {', '.join(SYNTHESIZED)}")
    known: set[str] = set()
    for unit in SYNTHESIZED:
        summary = unit_class(unit).summary
        group = parser.add_argument_group(f"options of {unit} ({summary}), each with one or more values")
        for name, settings in arguments(unit).items():
            if name not in known:
                shared = {key: value for key, value in settings.items() if key not in ("default", "required")}
                plural = {} if "action" in settings else {"nargs": "+"}
                group.add_argument(name, **(shared | plural | {"default": argparse.SUPPRESS}))
        known |= arguments(unit).keys()


def grid(units: list[str], given: Mapping[str, Any]) -> list[UnitConfig]:
    """Every combination of the values, unit by unit; a unit ignores the options that only others have.

    Args:
        units: their names.
        given: values by option (``counter_width``): a list of values, or True for a switch; others are left alone.

    Raises:
        InputError: for an impossible combination, an option that none of the units has, or a missing option.
    """
    for unit in units:
        check_unit(unit, SYNTHESIZED)
    declared = {unit: arguments(unit) for unit in units}
    every = {name for unit in SYNTHESIZED for name in arguments(unit)}
    for option in given:
        if flag(option) in every and not any(flag(option) in mine for mine in declared.values()):
            units_given = " or ".join(declared)
            raise InputError(f"Option {flag(option)} must be one that unit {units_given} has; leave it out")
    return [config for unit, mine in declared.items() for config in _combinations(unit, mine, given)]


def _combinations(unit: str, declared: Mapping[str, Settings], given: Mapping[str, Any]) -> list[UnitConfig]:
    values: dict[str, list[Any]] = {}
    for name, settings in declared.items():
        option = name.removeprefix("--").replace("-", "_")
        if option in given:
            values[option] = given[option] if isinstance(given[option], list) else [given[option]]
        elif settings.get("required"):
            raise InputError(f"Option {name} must be given for unit {unit}")
        else:
            values[option] = [False if "action" in settings else settings.get("default")]
    chosen = [argparse.Namespace(unit=unit, **dict(zip(values, row, strict=True))) for row in product(*values.values())]
    return [unit_config(one) for one in chosen]
