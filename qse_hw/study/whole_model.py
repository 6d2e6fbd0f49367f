"""Replaying as many SSM inputs as a model of a published size has: the bundled model's, spread over its layers."""

import argparse
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from qse_hw.golden.calibration.calibration import LayerCalibration
from qse_hw.golden.calibration.spec import FormatSpec, parse_format
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.io.evidence import evidence
from qse_hw.golden.io.files import write_json
from qse_hw.sim.replay.plan import Outcome
from qse_hw.study.calibrate import calibrated
from qse_hw.study.console import console, progress, table
from qse_hw.study.sources import Activations, from_file_or_default, from_model, stream

TOKENS = 512  # tokens of the large model's forward pass
CAPTURED = 6144  # tokens of the bundled model: enough for mamba-130m without using a value twice
GOAL = 60  # seconds on two cores
CLAIM = (
    "All SSM inputs of a forward pass of this size pass through the emitted Verilog of encoder and decoder with "
    "golden's codes, values and flags, at full speed and with random stalls."
)


def run_whole_model(args: argparse.Namespace, type: InputType, spec: FormatSpec | None) -> None:
    """``replay --whole-model NAME``: capture, calibrate each layer, replay, report; any mismatch is an error."""
    from qse_hw.golden.models.mamba.shapes import shape
    from qse_hw.sim.replay.whole_model import Stages, replay_model, spread

    begun, stages = time.perf_counter(), Stages()
    size = shape(args.whole_model)
    layers, channels = size.n_layer, size.d_inner
    with console.status("getting activations"), stages.stage("capture"):
        if args.activations is None:
            small = from_model(argparse.Namespace(model=None, text=None, tokens=CAPTURED))
        else:
            small = from_file_or_default(args.activations)
        tensors = spread([*small.tensors.values()], layers=layers, channels=channels, tokens=TOKENS)
    activations = Activations(tensors=tensors, metadata={}, origin=small.origin)
    console.print(f"activations: {activations.origin}, spread over {layers} layers of {TOKENS} x {channels}")
    with stages.stage("calibrate"):
        calibration = calibrated(stream(activations), spec or parse_format("se8"))
    choices: Mapping[str, LayerCalibration] = {name: calibration.layer(number) for number, name in enumerate(tensors)}
    formats = len({choice.format for choice in choices.values()})
    try:
        with progress() as report:
            outcomes = replay_model(tensors, choices, input=type, stages=stages, progress=report)
    except RuntimeError as error:
        raise SystemExit(f"error: {error}") from error
    seconds = time.perf_counter() - begun
    values = sum(x.size for x in tensors.values())
    wrong = sum(outcome.mismatches for outcome in outcomes)
    compared = sum(outcome.values for outcome in outcomes)
    if args.json is not None:
        figures = {
            "model": args.whole_model,
            "layers": layers,
            "channels": channels,
            "tokens": TOKENS,
            "formats": formats,
            "values": values,
            "compared": compared,
            "mismatches": wrong,
            "seconds_by_stage": {name: round(spent, 1) for name, spent in stages.seconds.items()},
            "goal_seconds": GOAL,
            "goal": "reached" if seconds <= GOAL else "not reached",
            "nanoseconds_per_value": round(1e9 * simulated(outcomes) / max(1, compared), 1),
        }
        items = [{**asdict(outcome), "passed": outcome.mismatches == 0} for outcome in outcomes]
        write_json(
            args.json,
            evidence(
                claim=CLAIM, command=args.command, seconds=seconds, passed=wrong == 0, figures=figures, items=items
            ),
        )
    _show(outcomes, stages.seconds, seconds)
    console.print(f"{args.whole_model}: {values:,} values in {formats} formats, {seconds:.0f} s of {GOAL}")
    if wrong:
        first = next(outcome.first for outcome in outcomes if outcome.mismatches)
        raise SystemExit(f"{wrong} mismatches; the first: {first}")


def check(args: argparse.Namespace) -> None:
    """InputError for what a whole model's replay cannot do."""
    if args.simulator != "verilator":
        raise InputError(f"Simulator must be verilator for a whole model, not {args.simulator!r}")
    for name in ("calibration", "wave", "lanes"):
        if getattr(args, name) is not None:
            raise InputError(f"Whole model takes no --{name}: it calibrates its layers itself, in lanes of its own")


def simulated(outcomes: list[Outcome]) -> float:
    """Seconds of simulation, added up over passes."""
    return sum(outcome.seconds for outcome in outcomes)


def _show(outcomes: list[Outcome], stages: Mapping[str, float], seconds: float) -> None:
    from qse_hw.study.replay import totals

    rows = [
        [run["run"], f"{run['values']:,}", str(run["mismatches"]), f"{run['cycles']:,}", f"{run['seconds']:.1f}"]
        for run in totals(outcomes)
    ]
    columns = ["run", "values checked", "mismatches", "cycles", "seconds"]
    table("Replay through the emitted Verilog", columns, rows)
    spent: list[list[Any]] = [[name, f"{time:.1f}"] for name, time in stages.items()]
    table("Seconds by stage, added up over cores", ["stage", "s"], [*spent, ["all, wall", f"{seconds:.1f}"]])
