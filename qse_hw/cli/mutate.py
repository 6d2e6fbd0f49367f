"""Insert faults into the netlist of an encoder, a decoder or a function unit, and count those that the checks detect.

The faults are those of Yosys' mutate. A mutant that no stimulus detects is proved equivalent or reported.
"""

import argparse
import time

from qse_hw.cli.arguments import check_output
from qse_hw.cli.units import add_unit_parsers, unit_config
from qse_hw.golden.errors import InputError
from qse_hw.golden.io.evidence import evidence
from qse_hw.golden.io.files import write_json
from qse_hw.study.console import console, progress, table
from qse_hw.study.sources import integer

UNITS = ("encoder", "decoder", "function")
LEVELS = ("word", "gate")
SAMPLE, SEED = 1000, 2601
CLAIM = (
    "Every fault of Yosys' mutate in the netlists of encoder, decoder and function unit is noticed by the stimuli of "
    "the regression, or is proved to change no output."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A unit with its options, or the standard list."""
    parser.add_argument(
        "--all", action="store_true", help="the standard list of encoders, decoders and function units, both levels"
    )
    _add_common(parser)
    parser.set_defaults(mutants=SAMPLE, seed=SEED, json=None)
    add_unit_parsers(parser, _add_unit, names=UNITS, required=False)


def _add_unit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--level", metavar="L", default="word", help=f"{' or '.join(LEVELS)}: the netlist's cells")
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    """Options before or after the unit; without defaults, as the unit's would overwrite what stands before it."""
    unset = argparse.SUPPRESS
    parser.add_argument(
        "--mutants", metavar="N", type=integer, default=unset,
        help=f"mutants per netlist, drawn at random; 0 for all (default {SAMPLE})",
    )  # fmt: skip
    parser.add_argument(
        "--seed", metavar="S", type=integer, default=unset,
        help=f"of the sample and of the stimuli (default {SEED})",
    )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", default=unset, help="also write the results to this file")


def run(args: argparse.Namespace) -> None:
    """Mutate, simulate, prove, report; a survivor that is not proved equivalent is an error."""
    if args.all == (args.unit is not None):
        raise InputError(f"Mutate takes either --all or one unit of {', '.join(UNITS)}")
    if args.mutants < 0:
        raise InputError(f"Mutants must be at least 1, or 0 for all, not {args.mutants!r}")
    if args.seed < 0:
        raise InputError(f"Seed must be at least 0, not {args.seed!r}")
    if args.unit is not None and args.level not in LEVELS:
        raise InputError(f"Level must be one of {', '.join(LEVELS)}, not {args.level!r}")
    one = None if args.all else unit_config(args)
    if args.json is not None:
        check_output(args.json)
    from qse_hw.synth import yosys as tools
    from qse_hw.synth.mutation import mutate

    tools.find(tools.YOSYS)
    jobs = list(mutate.standard()) if one is None else [(one, args.level)]
    begun, outcomes = time.perf_counter(), []
    try:
        with progress() as report:
            for outcome in mutate.mutate_all(jobs, count=args.mutants, seed=args.seed, report=report):
                outcomes.append(outcome)
                console.print(
                    f"{outcome.name}: {outcome.killed} of {outcome.mutants} killed, {sum(outcome.equivalent.values())} "
                    f"equivalent, {len(outcome.survivors)} left"
                )
    except RuntimeError as error:
        raise SystemExit(f"error: {error}") from error
    seconds = time.perf_counter() - begun
    items = [outcome.item() for outcome in outcomes]
    columns = ["netlist", "mutants", "killed", "equivalent", "different", "unresolved", "score %", "s"]
    table(
        "Faults in the netlist", columns,
        [[item["name"], *(str(item[name]) for name in columns[1:-2]), f"{100 * item['score']:.2f}",
          f"{item['seconds']:.0f}"] for item in items],
        caption=f"{seconds:.0f} s, seed {args.seed}; score: killed of those not proved equivalent",
    )  # fmt: skip
    for outcome in outcomes:
        for survivor in outcome.survivors:
            console.print(f"{outcome.name}: {survivor['verdict']}: {survivor['where']}")
    totals = {name: sum(item[name] for item in items) for name in ("mutants", *columns[2:6])}
    survivors = totals["different"] + totals["unresolved"]
    killable = totals["killed"] + survivors
    if args.json is not None:
        figures = totals | {
            "netlists": len(items),
            "score_percent": round(100 * totals["killed"] / killable, 3) if killable else 100.0,
            "seed": args.seed,
        }
        write_json(
            args.json,
            evidence(claim=CLAIM, command=args.command, seconds=seconds, passed=survivors == 0, figures=figures,
                     items=items),
        )  # fmt: skip
        print(args.json)
    if survivors:
        raise SystemExit(f"{survivors} mutants survived and are not proved equivalent")
