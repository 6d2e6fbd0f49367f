"""Send every input pattern through the Verilog of a unit whose outputs depend on one input each; compare with golden.

Inputs of up to 16 bits: all patterns, each in every lane or, with a run-time scale, at every k. Wider inputs: the
patterns around every decision boundary and random ones, or all of them. Time steps: with several sets of
parameters, at the ends of their ranges and random.
"""

import argparse
import time
from dataclasses import asdict
from functools import partial
from typing import Any

from qse_hw.cli.arguments import check_output
from qse_hw.cli.units import add_unit_parsers, unit_config
from qse_hw.golden.errors import InputError
from qse_hw.golden.io.evidence import evidence
from qse_hw.golden.io.files import write_json
from qse_hw.sim.simulators.simulators import require
from qse_hw.study.console import console, progress, table
from qse_hw.study.netlist import NETLIST_HELP, netlists
from qse_hw.study.sources import integer

UNITS = ("encoder", "decoder", "function", "activation", "time_step")
CLAIM = (
    "The emitted Verilog of encoder, decoder, function, activation and time step unit equals golden in every code, "
    "value, flag and count that was sent."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A unit with its options, or the standard list."""
    parser.add_argument(
        "--all", action="store_true", help="all formats, input types, architectures and functions, most with 16 lanes"
    )
    parser.add_argument("--json", metavar="FILE", help="also write the results to this file")
    add_unit_parsers(parser, _add_common, names=UNITS, required=False)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", metavar="FILE", default=argparse.SUPPRESS, help="also write the results to this file")
    parser.add_argument(
        "--random", metavar="N", type=integer, help="random patterns of inputs of more than 16 bits (default 10^8)"
    )
    parser.add_argument("--netlist", metavar="T", help=NETLIST_HELP)
    parser.add_argument("--all-patterns", action="store_true", help="all patterns of wider inputs, too: minutes")


def run(args: argparse.Namespace) -> None:
    """Check, report; any difference is an error."""
    require("verilator")
    if args.all == (args.unit is not None):
        raise InputError(f"Exhaust takes either --all or one unit of {', '.join(UNITS)}")
    checks = _checks(args)
    build = netlists(getattr(args, "netlist", None))
    if args.json is not None:
        check_output(args.json)
    from qse_hw.sim.exhaust.bulk import Bulk
    from qse_hw.sim.exhaust.exhaust import exhaust
    from qse_hw.sim.exhaust.kinds import SEED

    begun, findings = time.perf_counter(), []
    try:
        with progress() as report:
            for finding in exhaust(checks, build=partial(Bulk, build=build), progress=report):
                findings.append(finding)
    except RuntimeError as error:
        raise SystemExit(f"error: {error}") from error
    seconds = time.perf_counter() - begun
    rows = [
        [
            finding.label, finding.patterns, str(finding.scales), f"{finding.values:,}",
            str(finding.wrong + finding.wrong_flags), f"{finding.compiling:.1f}", f"{finding.seconds:.1f}",
        ]
        for finding in findings
    ]  # fmt: skip
    columns = ["unit", "sent", "scales", "values compared", "differences", "compiling s", "checking s"]
    table("Emitted Verilog beside golden", columns, rows, caption=f"{seconds:.0f} s, seed {SEED}")
    values = sum(finding.values for finding in findings)
    wrong = sum(finding.wrong + finding.wrong_flags for finding in findings)
    if args.json is not None:
        slowest = round(max(finding.compiling + finding.seconds for finding in findings), 1)
        figures = {
            "units": len(findings), "values": values, "differences": wrong, "slowest_seconds": slowest, "seed": SEED
        }  # fmt: skip
        items = [{**asdict(finding), "passed": finding.passed} for finding in findings]
        document = evidence(
            claim=CLAIM, command=args.command, seconds=seconds, passed=wrong == 0, figures=figures, items=items
        )
        write_json(args.json, document)
    if wrong:
        first = next(finding for finding in findings if not finding.passed)
        raise SystemExit(f"{wrong:,} differences; the first, of {first.label}: {first.first}")
    console.print(f"{values:,} values, no difference")


def _checks(args: argparse.Namespace) -> list[Any]:
    from qse_hw.sim.exhaust.exhaust import RANDOM, Check
    from qse_hw.sim.exhaust.standard_checks import standard

    if args.all:
        return standard()
    config: Any = unit_config(args)
    random, every = args.random, args.all_patterns
    if random is not None and every:
        raise InputError(f"Random patterns, {random}, are among all of them: give --random or --all-patterns")
    if random is not None and not 1 <= random <= 1 << 32:
        raise InputError(f"Random must be 1 to {1 << 32}, not {random!r}")
    check = Check(config=config, random=RANDOM if random is None else random, every=every)
    if random is not None and check.width <= 16:
        raise InputError(f"Random must not be given where all {1 << check.width:,} patterns are sent anyway")
    return [check]
