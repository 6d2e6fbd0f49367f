"""Send captured activations through the Verilog of encoder and decoder in simulation, and compare every value."""

import argparse
from dataclasses import asdict
from pathlib import Path

from qse_hw.cli.arguments import FORMAT_HELP, check_output, command_without
from qse_hw.golden.calibration.calibration import read_calibration
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.io.environment import environment
from qse_hw.golden.io.files import write_json
from qse_hw.rtl_gen.units import shared
from qse_hw.sim.replay.replay import SEED, wave_files
from qse_hw.sim.simulators.simulators import SIMULATORS, require
from qse_hw.sim.simulators.wave import kind_of
from qse_hw.study.console import console
from qse_hw.study.netlist import NETLIST_HELP, netlists
from qse_hw.study.replay import choose, replayed, show, totals
from qse_hw.study.sources import add_activation_arguments, from_file_or_default, integer

LANES = 128
SCHEMA = "qse-hw/replay/1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Activations, calibration, format, lanes, simulator."""
    add_activation_arguments(parser)
    parser.add_argument("--calibration", metavar="FILE", help="formats and scales (default: calibrated now)")
    parser.add_argument("--format", metavar="F", help=f"{FORMAT_HELP} (default: the calibration's, or se8)")
    parser.add_argument("--input", metavar="T", default="fp32", help="the encoder's input type (default fp32)")
    parser.add_argument("--lanes", metavar="N", type=integer, help=f"per cycle (default {LANES})")
    parser.add_argument("--simulator", metavar="SIM", default="verilator", help=f"{' or '.join(SIMULATORS)}")
    parser.add_argument("--netlist", metavar="T", help=NETLIST_HELP)
    parser.add_argument(
        "--wave", metavar="FILE",
        help="record every signal in this .vcd or .fst file, for few tokens and lanes (further formats: FILE-2, ...)",
    )  # fmt: skip
    parser.add_argument(
        "--whole-model", metavar="NAME",
        help="as many values as 512 tokens through a model of this size have, e.g. mamba-130m: the bundled model's, "
        "spread over its layers",
    )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="also write the figures to this file")


def run(args: argparse.Namespace) -> None:
    """Replay and report; any mismatch is an error."""
    require(args.simulator)
    lanes = LANES if args.lanes is None else shared.LANES.kind.check("lanes", args.lanes)
    type = input_type(args.input)
    build = netlists(args.netlist)
    calibration = None if args.calibration is None else read_calibration(args.calibration)
    spec = None if args.format is None else parse_format(args.format)
    wave = None if args.wave is None else Path(args.wave)
    if wave is not None:
        kind_of(wave, args.simulator)
    for output in (args.json, args.wave):
        if output is not None:
            check_output(output)
    if args.whole_model is not None:
        from qse_hw.study.whole_model import check, run_whole_model

        check(args)
        return run_whole_model(args, type, spec)
    with console.status("getting activations"):
        activations = from_file_or_default(args.activations)
    console.print(f"activations: {activations.origin}, {activations.size}")
    choices = choose(activations, calibration, spec)
    outcomes = replayed(
        activations.tensors, choices, input=type, lanes=lanes, simulator=args.simulator, wave=wave, build=build
    )
    if args.json is not None:
        document = {
            "schema": SCHEMA,
            "command": command_without(args.command, "json"),
            "activations": activations.origin,
            "input": type.name,
            "lanes": lanes,
            "simulator": args.simulator,
            "netlist": args.netlist,
            "seed": SEED,
            **environment(),
            "runs": totals(outcomes),
            "outcomes": [asdict(outcome) for outcome in outcomes],
        }
        write_json(args.json, document)
    of = "emitted Verilog" if args.netlist is None else f"netlist for {args.netlist}"
    show(outcomes, f"{type.name} in, {lanes} lanes, {args.simulator}, seed of the stalls {SEED}", of)
    if wave is not None:
        for file in wave_files(wave, len({choice.format for choice in choices.values()})):
            print(file)
    wrong = sum(outcome.mismatches for outcome in outcomes)
    if wrong:
        first = next(outcome.first for outcome in outcomes if outcome.mismatches)
        raise SystemExit(f"{wrong} mismatches; the first: {first}")


