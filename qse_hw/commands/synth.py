"""Area and median Fmax of a unit on a Lattice ECP5 (Yosys, nextpnr), beside plain INT8 of the same input type."""

import argparse
import json
import shlex
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from golden.errors import InputError
from golden.files import replacing
from golden.presets import load_format
from qse_hw.arguments import integer
from qse_hw.console import console
from qse_hw.units import add_unit_parsers, unit_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The units, their options, the baseline, and what to place and route for."""
    add_unit_parsers(parser, _add_common)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--baseline", metavar="F", help="format to compare with, or none (default int8, if the unit can have it)"
    )
    parser.add_argument("--speed", metavar="G", type=integer, default=6, help="speed grade, 6 or 8 (default 6)")
    parser.add_argument("--freq", metavar="MHZ", type=_number, default=400.0, help="clock to aim at (default 400)")
    parser.add_argument(
        "--seeds", metavar="N", type=integer, default=3, help="place-and-route seeds to take the median of (default 3)"
    )
    parser.add_argument("--json", metavar="FILE", help="write the report here, too")


def run(args: argparse.Namespace) -> None:
    """Measure, print a table, write the report."""
    configs: list[Any] = [unit_config(args)]
    if args.baseline is None:  # int8 has one segment, of which a quantizer could set nothing
        args.baseline = "none" if args.unit in ("hadamard", "quantizer") else "int8"
    if args.baseline != "none":
        if not hasattr(configs[0], "format"):
            raise InputError(f"Baseline must be none for unit {args.unit}, which has no format, not {args.baseline!r}")
        try:
            format = load_format(args.baseline)
        except InputError as error:
            raise InputError(f"Baseline: {error}") from error
        if format != configs[0].format:
            configs.append(replace(configs[0], format=format))

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from rtl_gen.emit import emit
    from synth import report, tools
    from synth.ecp5 import Target, measure

    target = Target(speed=args.speed, freq=args.freq, seeds=args.seeds)
    for tool in tools.TOOLS:
        tools.find(tool)
    units = [emit(config) for config in configs]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # Entered now: hours of measuring must not end in "permission denied".
    with replacing(args.json) if args.json is not None else nullcontext() as part:
        console.print(f"starting Yosys and nextpnr ({tools.FIRST_RUN})")
        report.tool_versions()
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("synthesis", total=len(units) * (1 + target.seeds))
            measured = measure(units, target, lambda done: progress.update(task, description=done, advance=1))
        baseline = measured[1] if len(measured) > 1 else None
        if part is not None:
            document = report.document(measured, target, command_line(args), baseline)
            part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    console.print(report.table(measured, target, baseline))
    if args.json is not None:
        print(args.json)


def command_line(args: argparse.Namespace) -> str:
    """The command that gives these results, defaults written out."""
    words = ["python", "-m", "qse_hw", "synth", args.unit]
    for name, value in vars(args).items():
        if name in ("unit", "json", "command") or value is None or value is False:  # does not make the figures
            continue
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return shlex.join(words)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None
