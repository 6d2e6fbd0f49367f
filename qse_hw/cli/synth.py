"""Area and Fmax of units on FPGAs and standard cells (Yosys, nextpnr, ABC), beside plain INT8 of the same kind.

Options take several values; every combination is measured, on every target, as many at a time as there are cores. What
was measured before is not measured again.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from qse_hw.cli.arguments import command_without
from qse_hw.cli.grid import add_grid_arguments, grid
from qse_hw.golden.errors import InputError
from qse_hw.golden.io.files import replacing
from qse_hw.study.console import console
from qse_hw.study.sources import integer
from qse_hw.study.stimuli import has_stimuli
from qse_hw.study.synthesize import FP8, activations, add_cycles, add_energy, measure, planned
from qse_hw.study.token_energy import TOKENS, add_token_energy, text_tokens
from qse_hw.synth.parts import DEPTH

OUTPUTS = ("json", "markdown", "png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The units with their options, the targets, and what to write."""
    add_grid_arguments(parser)
    group = parser.add_argument_group("what to measure")
    add_target_arguments(group)
    group.add_argument(
        "--baseline", metavar="F",
        help=f"format to compare with, {FP8} for a cast to it, or none (default int8, if the unit can have it); for "
        "model, another calibration",
    )
    group.add_argument("--freq", metavar="MHZ", type=_number, default=400.0, help="clock to aim at (default 400)")
    group.add_argument(
        "--energy", nargs="?", const="", metavar="ACTIVATIONS",
        help="also measure toggles per value, and pJ on cells, of encoders fed with these (default: bundled); of a "
        "model on cells pJ per token of this text (default: the bundled held-out one)",
    )  # fmt: skip
    group.add_argument(
        "--tokens", metavar="N", type=integer,
        help=f"with --energy of a model: tokens that are counted, after the text's first (default {TOKENS})",
    )  # fmt: skip
    group.add_argument(
        "--parts", metavar="N", type=integer, default=0,
        help=f"also the area of the unit's parts, N levels of submodules deep, at most {DEPTH} (default 0: none)",
    )  # fmt: skip
    group = parser.add_argument_group("results")
    group.add_argument("--json", metavar="FILE", help="also write the report to this file")
    group.add_argument("--markdown", metavar="FILE", help="also write it as a page (Markdown)")
    group.add_argument("--png", metavar="FILE", help="also write it as a picture")
    group.add_argument("--cache", metavar="DIR", type=Path, help="where results are kept (default: the user's cache)")
    group.add_argument("--no-cache", action="store_true", help="measure all again, and keep nothing")


def add_target_arguments(parser: "argparse.ArgumentParser | argparse._ArgumentGroup") -> None:
    """What to measure on, and how often."""
    parser.add_argument(
        "--on", nargs="+", metavar="T", default=["ecp5"],
        help="targets: ecp5[:45k-6], ice40[:hx8k or up5k], gowin[:gw1nr-9 or gw2ar-18], cells (default ecp5)",
    )  # fmt: skip
    parser.add_argument(
        "--liberty", metavar="FILE", type=Path, help="library of cells, plain or gzipped (default: an installed one)"
    )
    parser.add_argument(
        "--seeds", metavar="N", type=integer, default=3, help="place-and-route seeds to take the median of (default 3)"
    )


def run(args: argparse.Namespace) -> None:
    """Measure, print a table, write the report."""
    from qse_hw.synth import report, targets
    from qse_hw.synth.cache import Cache, default_folder
    from qse_hw.synth.flow import check_seeds, check_tools

    check_seeds(args.seeds)
    if not 0 <= args.parts <= DEPTH:
        raise InputError(f"Parts must be from 0 to {DEPTH} levels, not {args.parts}")
    if args.tokens is not None and args.energy is None:
        raise InputError("Option --tokens is of a model's energy: give --energy, too")
    chosen = targets.targets(args.on, freq=args.freq, liberty=args.liberty)
    configs = grid(args.units, vars(args))
    check_tools(chosen)
    points, baselines = planned(configs, chosen, args.baseline)
    tensors: Mapping[str, Any] = {}
    tokens: Mapping[int, Sequence[int]] = {}
    if args.energy is not None:
        tokens = text_tokens(args.energy, points, TOKENS if args.tokens is None else args.tokens)
        if not tokens or any(has_stimuli(point.unit.config) for point in points):
            tensors = activations(args.energy, points)
    cache = Cache(None if args.no_cache else args.cache or default_folder())
    # Entered before hours of measuring, which must not end in "permission denied".
    with ExitStack() as stack:
        parts = {name: stack.enter_context(replacing(path)) for name in OUTPUTS if (path := getattr(args, name))}
        measured = measure(points, args.seeds, cache)
        used = {point.target.name: point.target for point in points}
        command = command_without(args.command, *OUTPUTS, "cache", flags=("no-cache",))
        document = report.document(measured, used, command, baselines, parts=args.parts)
        add_cycles(document, points)
        if tensors:
            add_energy(document, points, tensors, cache)
        if tokens:
            add_token_energy(document, points, tokens, baselines, cache)
        if "json" in parts:
            parts["json"].write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        if "markdown" in parts:
            parts["markdown"].write_text(report.markdown(document), encoding="utf-8")
        if "png" in parts:
            from qse_hw.study.synth_picture import draw

            draw(parts["png"], document)
    console.print(report.table(document))
    console.print("\n".join(report.paths(document)))
    for result in document["results"]:
        if "cycles_per_token" in result:
            console.print(
                f"{result['label']} on {result['target']}: {result['cycles_per_token']:,} cycles per token, "
                f"{result['tokens_per_second']:,.0f} tokens per second"
            )
    if args.parts:
        console.print(report.part_table(document))
    for table in report.energy_tables(document):
        console.print(table)
    for note in report.notes(document):
        console.print(note, style="yellow")
    for name in parts:
        print(getattr(args, name))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None
