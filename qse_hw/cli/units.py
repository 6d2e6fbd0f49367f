"""The units on the command line: arguments from the options of a unit's dataclass, and the unit that they describe.

A calibration (``--calibration``, ``--layer``) is another way to give format and scale.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.emit.unit import UNITS, UnitConfig, check_unit, unit_class
from qse_hw.rtl_gen.units.option_kinds import Integer, Switch
from qse_hw.rtl_gen.units.options import REQUIRED, Option, configure, flag, options, read
from qse_hw.study.sources import integer

Settings = dict[str, Any]
"""Keyword arguments of ``add_argument``."""

_CALIBRATED = ("format", "scale")
_CALIBRATION: dict[str, Settings] = {
    "--calibration": {"metavar": "FILE", "help": "take format and scale from this file"},
    "--layer": {"metavar": "K", "type": integer, "help": "layer of the calibration"},
}


class _Parsers(dict[str, argparse.ArgumentParser]):
    """The units' parsers, by name; an unknown name raises InputError, with a shorter sentence than argparse's."""

    def __contains__(self, name: object) -> bool:
        return bool(check_unit(str(name), tuple(self)))


def add_unit_parsers(
    parser: argparse.ArgumentParser,
    common: Callable[[argparse.ArgumentParser], None],
    *,
    names: Sequence[str] = UNITS,
    required: bool = True,
    more: Callable[["argparse._SubParsersAction[argparse.ArgumentParser]"], None] | None = None,
) -> None:
    """A subcommand per unit of ``names``, with the unit's own options and those that ``common`` adds; and ``more``.

    Parsing raises InputError for an unknown unit, and for a missing one if it is ``required``.
    """
    units = parser.add_subparsers(dest="unit", metavar="UNIT", required=required, title="units")
    for name in names:
        summary = unit_class(name).summary
        unit = units.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        for argument, settings in arguments(name).items():
            unit.add_argument(argument, **settings)
        common(unit)
    if more is not None:
        more(units)
    units.choices = _Parsers(units.choices)


def arguments(unit: str) -> dict[str, Settings]:
    """The arguments of a unit, by flag: its options and, beside the format, the calibration."""
    known = options(unit_class(unit))
    declared: dict[str, Settings] = {}
    for name, option in known.items():
        declared[flag(name)] = _settings(option, calibrated="format" in known and name in _CALIBRATED)
        if name == "format":
            declared |= _CALIBRATION
    return declared


def _settings(option: Option, *, calibrated: bool) -> Settings:
    if isinstance(option.kind, Switch):
        return {"action": "store_true", "help": option.help}
    settings: Settings = {"metavar": option.metavar, "help": option.help}
    if isinstance(option.kind, Integer):
        settings["type"] = integer
    default = option.default_as_text
    if default is REQUIRED:
        if not calibrated:
            settings["required"] = True
    elif calibrated:
        settings["help"] += f" (default: the calibration's, or {default})"
    elif default is not None:
        settings["default"] = default
        settings["help"] += f" (default {default})"
    return settings


def add_folder(parser: argparse.ArgumentParser, help: str) -> None:
    """``-o DIR`` and, unless the unit has an option of that name, ``--output``: the folder ``directory``."""
    taken = any("--output" in action.option_strings for action in parser._actions)
    flags = ("-o",) if taken else ("-o", "--output")
    parser.add_argument(*flags, dest="directory", metavar="DIR", required=True, help=help)


def unit_config(args: argparse.Namespace) -> UnitConfig:
    """The unit that the arguments describe."""
    config = unit_class(args.unit)
    given = {name: getattr(args, name) for name in options(config)}
    if "format" not in given:
        return configure(config, read(config, given))
    # checked even where a calibration has no use for them
    values = read(config, given, names=given.keys() - {*_CALIBRATED})
    return configure(config, values | _format_and_scale(config, args, given, values))


def _format_and_scale(
    config: type[UnitConfig], args: argparse.Namespace, given: Mapping[str, Any], others: Mapping[str, Any]
) -> dict[str, Any]:
    """Format and scale: from their own options or from a calibration."""
    known, format, scale = options(config), given["format"], given.get("scale")
    if args.calibration is None:
        if args.layer is not None:
            raise InputError(f"Layer {args.layer} needs a calibration: give --calibration FILE")
        if "scale" in known and scale is None and known["scale"].default_as_text is REQUIRED:
            raise InputError("Scale must be given: --scale S, --scale runtime or --calibration FILE --layer K")
        return read(config, given, names=_CALIBRATED, others=others)
    from qse_hw.golden.calibration.calibration import read_calibration
    from qse_hw.golden.calibration.spec import parse_format

    if scale is not None:
        raise InputError(f"Scale must come from the calibration or from --scale {scale}, not from both")
    if args.layer is None:
        raise InputError("Layer must be given with a calibration, e.g. --layer 0")
    calibration = read_calibration(args.calibration)
    layer = calibration.layer(args.layer)
    if format is not None:
        calibration.check_format(args.layer, parse_format(format))
    return {"format": layer.format, "scale": layer.scale}
