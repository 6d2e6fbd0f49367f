"""Send captured activations through the Verilog of encoder and decoder in simulation, and compare every value."""

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np

from golden.calibrate import Choice
from golden.calibration import read_calibration
from golden.errors import InputError
from golden.inputs import input_type
from golden.presets import load_format
from qse_hw.arguments import FORMAT_HELP, integer
from qse_hw.commands.calibrate import calibrated
from qse_hw.console import console, progress, table
from qse_hw.sources import Activations, add_activation_arguments, from_file_or_default
from rtl_gen.encoder import check_lanes
from sim.plan import Outcome
from sim.replay import SEED
from sim.tools import SIMULATORS, require

LANES = 128


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Activations, calibration, format, lanes, simulator."""
    add_activation_arguments(parser)
    parser.add_argument("--calibration", metavar="FILE", help="formats and scales (default: calibrated now)")
    parser.add_argument("--format", metavar="F", help=f"{FORMAT_HELP} (default: the calibration's, or se8)")
    parser.add_argument("--input", metavar="T", default="fp32", help="the encoder's input type (default fp32)")
    parser.add_argument("--lanes", metavar="N", type=integer, default=LANES, help=f"per cycle (default {LANES})")
    parser.add_argument("--simulator", metavar="SIM", default="verilator", help=f"{' or '.join(SIMULATORS)}")


def run(args: argparse.Namespace) -> None:
    """Replay and report; any mismatch is an error."""
    require(args.simulator)
    check_lanes(args.lanes)
    type = input_type(args.input)
    if args.format is not None:
        load_format(args.format)
    with console.status("getting activations"):
        found = from_file_or_default(args.activations)
    console.print(f"activations: {found.origin}, {len(found.tensors)} layers of {found.shape[0]} x {found.shape[1]}")
    choices = choose(found, args.calibration, args.format)
    outcomes = replayed(found.tensors, choices, input=type, lanes=args.lanes, simulator=args.simulator)
    show(outcomes, f"{type.name} in, {args.lanes} lanes, {args.simulator}, seed of the stalls {SEED}")
    wrong = sum(outcome.mismatches for outcome in outcomes)
    if wrong:
        first = next(outcome.first for outcome in outcomes if outcome.mismatches)
        raise SystemExit(f"{wrong} mismatches; the first: {first}")


def choose(found: Activations, calibration: str | None, format: str | None) -> dict[str, Choice]:
    """Format and scale of every tensor: from the calibration file, or calibrated now."""
    if calibration is None:
        result = calibrated(found, format or "se8")
    else:
        result = read_calibration(calibration)
        result.check(found.tensors, found.model)
        if format is not None and load_format(format).name != result.layer(0).format.name:
            raise InputError(
                f"Format must be the calibration's, {result.layer(0).format.name}, not {format}; calibrate again"
            )
    return {name: result.layer(number) for number, name in enumerate(found.tensors)}


def replayed(tensors: Mapping[str, np.ndarray[Any, Any]], choices: Mapping[str, Choice], **how: Any) -> list[Outcome]:
    """Replay with a progress bar."""
    from sim.replay import replay

    with progress() as report:
        return replay(tensors, choices, progress=report, **how)


def show(outcomes: list[Outcome], caption: str) -> None:
    """Print one line per run, formats added up."""
    rows = []
    for run in dict.fromkeys(outcome.run for outcome in outcomes):
        group = [outcome for outcome in outcomes if outcome.run == run]
        values, seconds = sum(o.values for o in group), sum(o.seconds for o in group)
        rows.append([
            run, f"{values:,}", str(sum(o.mismatches for o in group)), f"{sum(o.cycles for o in group):,}",
            f"{values / seconds:,.0f}",
        ])  # fmt: skip
    table(
        "Replay through the emitted Verilog", ["run", "values checked", "mismatches", "cycles", "values/s"], rows,
        caption=caption,
    )
