"""The command line as a reference, from the parsers themselves."""

import argparse
from collections.abc import Iterable, Iterator
from importlib import import_module

from blocks import markdown

from qse_hw.cli import COMMANDS
from qse_hw.cli.units import arguments as unit_arguments
from qse_hw.rtl_gen.emit.unit import UNITS


def commands() -> str:
    """A section per command: what it does, its arguments, and those of its units."""
    return "\n\n".join(part for name in COMMANDS for part in command(name))


def command(name: str) -> Iterator[str]:
    """The parts of a command's section."""
    module = import_module(f"qse_hw.cli.{name}")
    parser = argparse.ArgumentParser(prog=f"python -m qse_hw {name}")
    module.add_arguments(parser)
    yield f"## {name}"
    yield "\n\n".join(escaped(" ".join(part.split())) for part in (module.__doc__ or "").split("\n\n"))
    nested = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not nested:
        yield table(parser, parser._actions)
    for action in nested:
        yield from units(name, action.choices)


def units(command: str, parsers: dict[str, argparse.ArgumentParser]) -> Iterator[str]:
    """What a command takes behind its name: the units, whose own options docs/units.md has, and all other arguments."""
    known = [name for name in parsers if name in UNITS]
    linked = ", ".join(f"[{name}](../units.md#{name})" for name in known)
    yield f"    python -m qse_hw {command} UNIT [options of the unit] [options below]"
    if known:
        yield f"Units, with their options: {linked}. All of them take these, too:"
        first, own = parsers[known[0]], {*unit_arguments(known[0])}
        yield table(first, [one for one in first._actions if own.isdisjoint(one.option_strings)])
    for name, parser in parsers.items():
        if name not in UNITS:
            yield f"### {command} {name}"
            if parser.description:
                yield escaped(" ".join(parser.description.split()))
            yield table(parser, parser._actions)


def table(parser: argparse.ArgumentParser, actions: Iterable[argparse.Action]) -> str:
    """A row per argument but ``--help``."""
    shown = [action for action in actions if not isinstance(action, argparse._HelpAction)]
    rows = [[argument(action), meaning(parser, action)] for action in shown]
    return markdown(["argument", "meaning"], rows) if rows else "It takes no arguments."


def argument(action: argparse.Action) -> str:
    """Its flags and what it takes, as in ``-o``, ``--output DIR``."""
    value = action.metavar if action.metavar is not None else action.dest.upper()
    given = " ".join(value) if isinstance(value, tuple) else value
    if action.choices is not None and action.metavar is None:
        given = "{" + ",".join(map(str, action.choices)) + "}"
    if action.nargs in ("+", "*"):
        given = f"{given} ..."
    if action.nargs in ("?", "*"):
        given = f"[{given}]"
    if not action.option_strings:
        return f"`{given}`"
    flags = ", ".join(f"`{flag}`" for flag in action.option_strings[:-1])
    last = action.option_strings[-1] if action.nargs == 0 else f"{action.option_strings[-1]} {given}"
    return f"{flags}, `{last}`" if flags else f"`{last}`"


def meaning(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """Its help, and whether it must be given."""
    text = " ".join(parser._get_formatter()._expand_help(action).split()) if action.help else ""
    must = action.required and action.option_strings
    return escaped(f"{text}; must be given" if must and text else text)


def escaped(text: str) -> str:
    """Text as Markdown shows it unchanged, also in a table."""
    for mark in "|*_<":
        text = text.replace(mark, f"\\{mark}")
    return text
