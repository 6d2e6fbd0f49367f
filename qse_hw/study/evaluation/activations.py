"""eval of a file of activations: formats fitted to it, and judged on another file of the same layers."""

import argparse
from typing import Any

import numpy as np

from qse_hw.golden.calibration.calibration import read_calibration
from qse_hw.golden.calibration.candidates import Candidate
from qse_hw.golden.calibration.spec import parse_candidates
from qse_hw.golden.errors import InputError
from qse_hw.golden.evaluate import layers
from qse_hw.golden.io.environment import environment
from qse_hw.study.calibrate import warn_of_slow_search
from qse_hw.study.console import console, progress
from qse_hw.study.evaluation.inputs import CALIBRATION
from qse_hw.study.evaluation.report import describe_layers, describe_limits, show_layers
from qse_hw.study.sources import Activations, from_file_or_default

SCHEMA = "qse-hw/eval-activations/1"


def read(calibration: str, held_out: str) -> tuple[Activations, Activations]:
    """The activations to fit formats to, and those to judge them on.

    Raises:
        InputError: if a file is unsound, or the second is not of the first's layers, or the same values.
    """
    fitted_to, judged_on = from_file_or_default(calibration), from_file_or_default(held_out)
    if (len(judged_on.tensors), judged_on.channels) != (len(fitted_to.tensors), fitted_to.channels):
        raise InputError(
            f"Held-out activations must be of the same layers and channels, {fitted_to.size}, not {judged_on.size}; "
            "capture both from one model"
        )
    if fitted_to.model and judged_on.model and fitted_to.model != judged_on.model:
        raise InputError(
            f"Held-out activations must be of model {fitted_to.model[:12]}, as the others are, not of "
            f"{judged_on.model[:12]}; capture both from one model"
        )
    if all(np.array_equal(x, judged_on.tensors[name]) for name, x in fitted_to.tensors.items()):
        raise InputError("Activations must differ: nothing is held out if both files have the same values")
    return fitted_to, judged_on


def evaluate(args: argparse.Namespace) -> dict[str, Any]:
    """The whole report, as JSON has it."""
    specs = parse_candidates(args.formats)
    calibration, held_out = read(args.activations, args.held_out)
    count = len(calibration.tensors)
    given = {} if args.calibration is None else {CALIBRATION: _calibrated(args.calibration, calibration)}
    warn_of_slow_search(specs)
    with progress() as report:
        candidates, fitted = layers.fit_samples(
            layers.samples_of(_float32(calibration)), specs, count=count, mode=args.mode, given=given,
            progress=lambda share: report("fitting formats to every layer", 0.8 * share),
        )  # fmt: skip
        measured = layers.measure_samples(
            layers.samples_of(_float32(held_out)), candidates, count=count,
            progress=lambda share: report("SQNR on the held-out activations", 0.8 + 0.2 * share),
        )  # fmt: skip
    return {
        "schema": SCHEMA,
        "command": getattr(args, "command", None),
        **environment(),
        "layers": count,
        "channels": calibration.channels,
        "activations": {
            name: {"file": given.origin, "tokens": given.tokens, "model": given.model}
            for name, given in (("calibration", calibration), ("held_out", held_out))
        },
        "mode": args.mode,
        "limit_sqnr_db": describe_limits(fitted, measured),
        "formats": describe_layers(candidates, fitted, measured),
    }


def show(document: dict[str, Any]) -> None:
    """Print what was evaluated, and the tables."""
    fitted_to, judged_on = (document["activations"][name] for name in ("calibration", "held_out"))
    console.print(
        f"{document['layers']} layers; fitted to {fitted_to['tokens']} tokens of {fitted_to['file']}, evaluated on "
        f"{judged_on['tokens']} of {judged_on['file']}",
        markup=False,
    )
    show_layers(document, "held-out activations")


def _float32(activations: Activations) -> Any:
    return (x.astype(np.float32, copy=False) for x in activations.tensors.values())


def _calibrated(path: str, activations: Activations) -> list[Candidate]:
    calibration, count = read_calibration(path), len(activations.tensors)
    calibration.check(layers=count, channels=activations.channels, model=activations.model)
    return [Candidate.of(calibration.format, calibration.layer(number).quantizer) for number in range(count)]
