"""Speeds, each beside its baseline in the same run: quantizing, tensors, decoding, calibrating, replay, Verilog, ..."""

import argparse
import inspect
import os
from importlib import import_module
from typing import Any

from qse_hw.cli.arguments import check_output
from qse_hw.golden.errors import InputError
from qse_hw.golden.io.environment import environment
from qse_hw.golden.io.files import write_json
from qse_hw.sim.simulators.simulators import require
from qse_hw.study.bench import SEED
from qse_hw.study.console import progress

SCHEMA = "qse-hw/bench/1"
PARTS = (
    "quantize", "tensors", "decode", "decode-integer", "calibrate", "calibrate-model", "generate", "replay", "cycle",
    "synth",
)  # fmt: skip
ON_DEVICES = ("tensors", "decode")
DEVICES = ("cpu", "cuda")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure, where, and a report file."""
    parser.add_argument(
        "--parts", metavar="P,...", help=f"of {','.join(PARTS)} (default: all that run on the device)"
    )
    parser.add_argument(
        "--device", metavar="D", default="cpu", help=f"where {' and '.join(ON_DEVICES)} run: cpu or cuda (default cpu)"
    )
    parser.add_argument(
        "--shapes", metavar="S,...", help="models for decode: 130m, 1.4b, ..., or 130m:4 for four layers of it"
    )
    parser.add_argument("--json", metavar="FILE", help="also write the figures to this file")


def run(args: argparse.Namespace) -> None:
    """Measure what is asked for, print, write."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # read by PyTorch: keeps its profiler from writing to stderr
    if args.device not in DEVICES:
        raise InputError(f"Device must be one of {', '.join(DEVICES)}, not {args.device!r}")
    every = PARTS if args.device == "cpu" else ON_DEVICES
    asked = list(every) if args.parts is None else args.parts.split(",")
    if not set(asked) <= set(PARTS):
        raise InputError(f"Parts must be among {', '.join(PARTS)}, not {args.parts!r}")
    if args.device == "cuda":
        check_cuda(asked)
    if "quantize" in asked:
        import ml_dtypes  # noqa: F401 - if it is missing, say so before the long part
    if "replay" in asked:
        require("verilator")
    if args.json is not None:
        check_output(args.json)
    parts = {name: import_module(f"qse_hw.study.bench.{name.replace('-', '_')}") for name in PARTS if name in asked}
    how: dict[str, Any] = {"device": args.device, "shapes": None if args.shapes is None else args.shapes.split(",")}
    document: dict[str, Any] = {"schema": SCHEMA, "seed": SEED, **environment()}
    with progress() as report:
        for number, (name, part) in enumerate(parts.items()):
            report(part.WORDS, number / len(parts))
            takes = inspect.signature(part.measure).parameters
            document[name] = part.measure(
                lambda share, number=number, part=part: report(part.WORDS, (number + share) / len(parts)),
                **{option: value for option, value in how.items() if option in takes},
            )
    if args.json is not None:
        write_json(args.json, document)
    for name, part in parts.items():
        part.show(document[name])


def check_cuda(parts: list[str]) -> None:
    """InputError unless these parts can run on a GPU, and there is one."""
    others = [part for part in parts if part not in ON_DEVICES]
    if others:
        raise InputError(f"Parts on a GPU must be among {', '.join(ON_DEVICES)}, not {','.join(others)!r}")
    import torch

    if not torch.cuda.is_available():
        raise InputError("Device must be cpu, as PyTorch finds no GPU here, not 'cuda'")
