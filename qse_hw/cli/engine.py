"""The sizes of a mixer on the command line: those of plan and generate."""

import argparse
from typing import Any

from qse_hw.study.sources import integer

ENGINE = {"rows": 8, "columns": 8, "scan_lanes": 8, "norm_lanes": 2, "hadamard_lanes": 4}
"""The sizes of a mixer, unless others are given."""


def add_engine_sizes(parser: argparse._ActionsContainer) -> None:
    """The options of :data:`ENGINE`; None where one is not given."""
    for name, default in ENGINE.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", metavar="N", type=integer,
            help=f"{name.replace('_', ' ')}, as those of gen model (default {default})",
        )  # fmt: skip


def engine_sizes(args: argparse.Namespace) -> dict[str, Any]:
    """What was given, and the defaults."""
    return {name: default if getattr(args, name) is None else getattr(args, name) for name, default in ENGINE.items()}
