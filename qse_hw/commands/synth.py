"""Area and Fmax of units on FPGAs and standard cells (Yosys, nextpnr, ABC), beside plain INT8 of the same kind.

Options take several values; every combination is measured, on every target, as many at a time as there are cores. What
was measured before is not measured again.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golden.errors import InputError
from golden.files import replacing
from golden.presets import load_format
from qse_hw.arguments import command_without, integer
from qse_hw.console import console, progress
from qse_hw.grid import add_grid_arguments, grid
from rtl_gen.unit import UnitConfig

if TYPE_CHECKING:
    from synth.flow import Point
    from synth.targets.base import Target

FP8 = "fp8-e4m3"
OUTPUTS = ("json", "markdown", "png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The units with their options, the targets, and what to write."""
    add_grid_arguments(parser)
    group = parser.add_argument_group("what to measure")
    add_target_arguments(group)
    group.add_argument(
        "--baseline", metavar="F",
        help=f"format to compare with, {FP8} for a cast to it, or none (default int8, if the unit can have it)",
    )
    group.add_argument("--freq", metavar="MHZ", type=_number, default=400.0, help="clock to aim at (default 400)")
    group.add_argument(
        "--energy", nargs="?", const="", metavar="ACTIVATIONS",
        help="toggles per value, and pJ of standard cells, of encoders that work on these (default: the bundled ones)",
    )  # fmt: skip
    group = parser.add_argument_group("results")
    group.add_argument("--json", metavar="FILE", help="write the report here, too")
    group.add_argument("--markdown", metavar="FILE", help="and as a page")
    group.add_argument("--png", metavar="FILE", help="and as a picture")
    group.add_argument("--cache", metavar="DIR", type=Path, help="where results are kept (default: the user's cache)")
    group.add_argument("--no-cache", action="store_true", help="keep nothing, and measure all again")


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
    from synth import report, targets
    from synth.cache import Cache, default_folder
    from synth.flow import check_seeds, check_tools

    check_seeds(args.seeds)
    chosen = targets.targets(args.on, freq=args.freq, liberty=args.liberty)
    configs = grid(args.units, vars(args))
    check_tools(chosen)
    points, baselines = planned(configs, chosen, args.baseline)
    tensors = {} if args.energy is None else activations(args.energy, points)
    cache = Cache(None if args.no_cache else args.cache or default_folder())
    # Entered now: hours of measuring must not end in "permission denied".
    with ExitStack() as stack:
        parts = {name: stack.enter_context(replacing(path)) for name in OUTPUTS if (path := getattr(args, name))}
        measured = measure(points, args.seeds, cache)
        used = {point.target.name: point.target for point in points}
        command = command_without(args.command, *OUTPUTS, "cache", flags=("no-cache",))
        document = report.document(measured, used, command, baselines)
        if args.energy is not None:
            add_energy(document, points, tensors, cache)
        if "json" in parts:
            parts["json"].write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        if "markdown" in parts:
            parts["markdown"].write_text(report.markdown(document), encoding="utf-8")
        if "png" in parts:
            from qse_hw.synth_picture import draw

            draw(parts["png"], document)
    console.print(report.table(document))
    console.print("\n".join(report.paths(document)))
    if args.energy is not None:
        console.print(report.energy_table(document))
    for note in report.notes(document):
        console.print(note, style="yellow")
    for name in parts:
        print(getattr(args, name))


def planned(
    configs: Sequence[UnitConfig], targets: Sequence["Target"], baseline: str | None
) -> tuple[list["Point"], list[int | None]]:
    """What to measure, each once, and for each the number of its baseline among them.

    Args:
        configs: the units.
        targets: those that a unit is not made for are left out for it.
        baseline: format to compare with; ``fp8-e4m3`` for a cast; ``none``; None: int8,
            for units that are made for a format.

    Raises:
        InputError: if a unit is made for none of the targets, or cannot have the baseline.
    """
    from rtl_gen.emit import emit
    from synth.flow import Point

    beside = [_beside(config, baseline) for config in configs]
    every = list(dict.fromkeys([*configs, *(config for config in beside if config is not None)]))
    emitted = {config: emit(config) for config in every}
    for config, unit in emitted.items():
        if not any(target.can_build(unit) for target in targets):
            raise InputError(
                f"Unit {config.label} is made of cells that none of {', '.join(target.name for target in targets)} "
                "has; give --target generic, or another --on"
            )
    pairs = [(config, target) for target in targets for config in every if target.can_build(emitted[config])]
    numbers = {pair: number for number, pair in enumerate(pairs)}
    others = dict(zip(configs, beside, strict=True))
    baselines = [
        None if (other := others.get(config)) is None else numbers[other, target] for config, target in pairs
    ]
    return [Point(emitted[config], target) for config, target in pairs], baselines


def _beside(config: Any, name: str | None) -> UnitConfig | None:
    """The baseline of a unit."""
    if name == "none" or (name is None and config.unit in ("hadamard", "quantizer")):
        return None  # int8 has one segment, of which a quantizer could set nothing
    if name == FP8:
        if config.unit != "encoder":
            raise InputError(f"Baseline {FP8} must be for an encoder, not for {config.unit}")
        from synth.fp8 import CastConfig

        return CastConfig(input=config.input, lanes=config.lanes)
    if not hasattr(config, "format"):
        raise InputError(f"Baseline must be none for unit {config.unit}, which has no format, not {name!r}")
    try:
        format = load_format(name or "int8")
    except InputError as error:
        raise InputError(f"Baseline: {error}") from error
    other: UnitConfig = replace(config, format=format)
    return None if other == config else other


def measure(points: Sequence["Point"], seeds: int, cache: Any) -> list[Any]:
    """:func:`synth.flow.measure` with progress."""
    from synth import flow, tools

    done, total = 0, flow.steps(points, seeds)
    with progress() as report:
        report(f"Yosys and nextpnr ({tools.FIRST_RUN})", 0.0)

        def step(what: str) -> None:
            nonlocal done
            done += 1
            report(what, done / total)

        return flow.measure(points, seeds=seeds, cache=cache, step=step)


def activations(file: str, points: Sequence["Point"]) -> Mapping[str, Any]:
    """The tensors to play, from ``file`` or, if that is empty, the bundled ones.

    Raises:
        InputError: if the file is no good, or nothing can be played to any unit.
    """
    from golden.activations import read_activations
    from qse_hw.sources import BUNDLED_ACTIVATIONS
    from qse_hw.stimuli import can_play

    if not any(can_play(point.unit.config) for point in points):
        raise InputError(f"Energy must be of encoders with a constant scale, not of {points[0].unit.config.label}")
    return read_activations(file or BUNDLED_ACTIVATIONS)[0]


def add_energy(
    document: dict[str, Any], points: Sequence["Point"], tensors: Mapping[str, Any], cache: Any
) -> None:
    """Write into a report, result by result, what is found by playing ``tensors`` to those that can be played to."""
    from qse_hw.stimuli import can_play, stimuli
    from synth.playing import play

    chosen = [number for number, point in enumerate(points) if can_play(point.unit.config)]
    mine = [points[number] for number in chosen]
    made = {point.unit.config: stimuli(point.unit.config, tensors) for point in mine}
    done = 0
    with progress() as report:

        def step(what: str) -> None:
            nonlocal done
            done += 1
            report(what, done / len(mine))

        found = play(mine, [made[point.unit.config] for point in mine], cache=cache, step=step)
    for number, energies in zip(chosen, found, strict=True):
        document["results"][number]["energy"] = energies


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None
