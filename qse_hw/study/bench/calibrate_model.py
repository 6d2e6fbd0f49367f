"""Calibrating every tensor of the bundled Mamba-1, beside calibrating x alone."""

import argparse
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from qse_hw.golden.calibration.calibrate import calibrate
from qse_hw.golden.calibration.spec import parse_format
from qse_hw.golden.models.integer.calibrate import calibrate_integer
from qse_hw.golden.models.integer.options import Objective, Options
from qse_hw.golden.models.mamba.checkpoint import load_model
from qse_hw.golden.models.mamba.text import read_text
from qse_hw.study.bench import SEED, Report
from qse_hw.study.console import table
from qse_hw.study.sources import TOKENS, stream_model

WORDS = "calibrating a model"
FORMAT = "tuned:segments=6"
BASELINE = "x alone"
OBJECTIVES: tuple[Objective, ...] = ("x", "loss")
REPEATS = 3


def measure(report: Report) -> dict[str, Any]:
    """Seconds and processor seconds from the loaded package to formats, medians; the candidates take turns.

    ``of_x_alone`` is a candidate's processor seconds over those for x alone: they hardly depend on what else the
    machine does.
    """
    work: dict[str, Callable[[], Any]] = {BASELINE: _x_alone}
    work |= {f"every tensor, objective {objective}": _whole(objective) for objective in OBJECTIVES}
    spent: dict[str, dict[str, list[float]]] = {name: {"seconds": [], "processor_seconds": []} for name in work}
    turns, names = random.Random(SEED), [*work]
    for repeat in range(REPEATS):
        for number, name in enumerate(turns.sample(names, len(names))):
            begun, busy = time.perf_counter(), time.process_time()
            work[name]()
            spent[name]["seconds"].append(time.perf_counter() - begun)
            spent[name]["processor_seconds"].append(time.process_time() - busy)
            report((repeat + (number + 1) / len(names)) / REPEATS)
    medians = {name: {what: statistics.median(times) for what, times in one.items()} for name, one in spent.items()}
    slow = medians[BASELINE]["processor_seconds"]
    return {
        "format": FORMAT,
        "tokens": TOKENS,
        "repeats": REPEATS,
        "threads": torch.get_num_threads(),
        "medians": medians,
        "all": spent,
        "of_x_alone": {name: one["processor_seconds"] / slow for name, one in medians.items()},
    }


def _x_alone() -> None:
    layers = stream_model(argparse.Namespace(model=None, text=None, tokens=TOKENS), "x")
    calibrate(layers.layers, parse_format(FORMAT), model=layers.model)


def _whole(objective: Objective) -> Callable[[], Any]:
    def work() -> None:
        model = load_model()
        ids = read_text(None, vocab_size=model.config.vocab_size).ids
        calibrate_integer(model, ids, tokens=TOKENS, options=Options(spec=parse_format(FORMAT), objective=objective))

    return work


def show(figures: dict[str, Any]) -> None:
    """A table of times."""
    rows = [
        [name, f"{one['seconds']:.1f}", f"{one['processor_seconds']:.1f}", f"{figures['of_x_alone'][name]:.2f}"]
        for name, one in figures["medians"].items()
    ]
    table(
        f"Calibrating the bundled Mamba-1, {figures['format']}, {figures['tokens']} tokens, "
        f"median of {figures['repeats']}",
        ["what", "s", "processor s", "of x alone"],
        rows,
        caption="of x alone: by processor seconds",
    )
