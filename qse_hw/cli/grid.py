"""Units with several values of each option on the command line: all combinations, as configurations."""

import argparse
from collections.abc import Mapping
from importlib import import_module
from itertools import product
from typing import Any

from qse_hw.cli.units import SUMMARIES
from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.unit import UNITS, UnitConfig, check_unit

Settings = Mapping[str, Any]
"""How an option is declared, as ``add_argument`` is told."""


class _Recorder(argparse.ArgumentParser):
    """Writes down which options a unit declares."""

    def __init__(self) -> None:
        self.declared: dict[str, Settings] = {}
        super().__init__(add_help=False)

    def add_argument(self, *names: str, **settings: Any) -> Any:
        self.declared[names[0]] = settings


def options(unit: str) -> dict[str, Settings]:
    """The options of a unit, by flag."""
    recorder = _Recorder()
    import_module(f"qse_hw.cli.units.{unit}").add_arguments(recorder)
    return recorder.declared


def add_grid_arguments(parser: argparse.ArgumentParser) -> None:
    """The units, and the options of all of them, each with one or more values."""
    parser.add_argument("units", nargs="+", metavar="UNIT", help=f"one or more of {', '.join(UNITS)}")
    known: set[str] = set()
    for unit in UNITS:
        group = parser.add_argument_group(f"options of {unit} ({SUMMARIES[unit]}), each with one or more values")
        for flag, settings in options(unit).items():
            if flag not in known:
                shared = {key: value for key, value in settings.items() if key not in ("default", "required")}
                plural = {} if "action" in settings else {"nargs": "+"}
                group.add_argument(flag, **(shared | plural | {"default": argparse.SUPPRESS}))
        known |= options(unit).keys()


def grid(units: list[str], given: Mapping[str, Any]) -> list[UnitConfig]:
    """Every combination of the values, unit by unit; an option that a unit does not have leaves it as it is.

    Args:
        units: their names.
        given: values by option (``counter_width``): a list of values, or True for a switch; others are left alone.

    Raises:
        InputError: for a combination that cannot be, an option that none of the units has, one that is missing.
    """
    for unit in units:
        check_unit(unit)
    declared = {unit: {_destination(flag): settings for flag, settings in options(unit).items()} for unit in units}
    every = {_destination(flag) for unit in UNITS for flag in options(unit)}
    for option in given:
        if option in every and not any(option in mine for mine in declared.values()):
            units_given = " or ".join(declared)
            raise InputError(f"Option {_flag(option)} must be one of unit {units_given}, which has no such one")
    return [config for unit, mine in declared.items() for config in _combinations(unit, mine, given)]


def _combinations(unit: str, declared: Mapping[str, Settings], given: Mapping[str, Any]) -> list[UnitConfig]:
    values: dict[str, list[Any]] = {}
    for option, settings in declared.items():
        if option in given:
            values[option] = given[option] if isinstance(given[option], list) else [given[option]]
        elif settings.get("required"):
            raise InputError(f"Option {_flag(option)} must be given for unit {unit}")
        else:
            values[option] = [False if "action" in settings else settings.get("default")]
    module = import_module(f"qse_hw.cli.units.{unit}")
    chosen = [argparse.Namespace(**dict(zip(values, row, strict=True))) for row in product(*values.values())]
    return [module.config(one) for one in chosen]


def _destination(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")


def _flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"
