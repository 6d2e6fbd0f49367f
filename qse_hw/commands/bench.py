"""Speeds, each beside its baseline in the same run: quantising, calibrating, replay, Verilog, cycle model, synth."""

import argparse
from importlib import import_module
from typing import Any

from golden.environment import environment
from golden.errors import InputError
from golden.files import write_json
from qse_hw.arguments import check_output
from qse_hw.bench import SEED
from qse_hw.console import progress
from sim.tools import require

SCHEMA = "qse-hw/bench/1"
PARTS = ("quantise", "calibrate", "generate", "replay", "cycle", "synth")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure, and a report file."""
    names = ",".join(PARTS)
    parser.add_argument("--parts", metavar="P,...", default=names, help=f"which (default: {names})")
    parser.add_argument("--json", metavar="FILE", help="write the figures here, too")


def run(args: argparse.Namespace) -> None:
    """Measure what is asked for, print, write."""
    asked = args.parts.split(",")
    if not set(asked) <= set(PARTS):
        raise InputError(f"Parts must be among {', '.join(PARTS)}, not {args.parts!r}")
    if "quantise" in asked:
        import ml_dtypes  # noqa: F401 - say that it is missing before the long part
    if "replay" in asked:
        require("verilator")
    if args.json is not None:
        check_output(args.json)
    parts = {name: import_module(f"qse_hw.bench.{name}") for name in PARTS if name in asked}
    document: dict[str, Any] = {"schema": SCHEMA, "seed": SEED, **environment()}
    with progress() as report:
        for number, (name, part) in enumerate(parts.items()):
            report(part.WORDS, number / len(parts))
            document[name] = part.measure(
                lambda share, number=number, part=part: report(part.WORDS, (number + share) / len(parts))
            )
    if args.json is not None:
        write_json(args.json, document)
    for name, part in parts.items():
        part.show(document[name])
