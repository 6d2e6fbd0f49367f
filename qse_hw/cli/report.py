"""One page about a unit: what it is, its format, its accuracy on activations, area, speed, evidence, files.

About a model in integers instead of a unit: formats by layer and tensor, and what eval found.
"""

import argparse
import json
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qse_hw.cli.synth import add_target_arguments
from qse_hw.cli.units import add_folder, add_unit_parsers, arguments, unit_config
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.study.console import console, progress
from qse_hw.study.sources import Activations, add_activation_arguments, from_file_or_default
from qse_hw.study.synthesize import activations, add_energy, measure, planned

if TYPE_CHECKING:
    from qse_hw.golden.calibration.calibration import Calibration
    from qse_hw.study.report.accuracy import Accuracy
    from qse_hw.study.report.evidence import Evidence
    from qse_hw.synth.cache import Cache
    from qse_hw.synth.flow import Point

MODEL = "model"
"""What the page is about, in the place of a unit's name."""
FREQ = 400.0  # MHz, what the tools aim at, as synth does unless told otherwise


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A unit with its options, the targets, the output folder; or a model."""
    add_unit_parsers(parser, _add_common, more=_add_model)


def _add_model(units: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    words = "a model in integers: formats of every tensor, and what eval found"
    model = units.add_parser(MODEL, help=words, description=f"{words[0].upper()}{words[1:]}.")
    model.add_argument(
        "--calibration", metavar="FILE", required=True, help="what calibrate --recipe integer wrote"
    )
    model.add_argument("--model", metavar="DIR", help="its local checkpoint (default: the bundled one)")
    model.add_argument("--evaluation", metavar="FILE", help="what eval --recipe integer --json wrote about it")
    add_folder(model, "folder to write: index.html")


def _add_common(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)
    add_activation_arguments(parser)
    add_folder(parser, "folder to write: index.html, verilog/")


def run(args: argparse.Namespace) -> None:
    """Measure, simulate, write the page; any difference from golden is an error, which the page tells, too."""
    if args.unit == MODEL:
        _report_model(args)
        return
    from qse_hw.rtl_gen.emit.emit import write
    from qse_hw.sim.simulators.simulators import require
    from qse_hw.study.report import place
    from qse_hw.study.report.files import VERILOG
    from qse_hw.synth import report, targets
    from qse_hw.synth.cache import Cache, default_folder
    from qse_hw.synth.flow import check_seeds, check_tools

    check_seeds(args.seeds)
    chosen = targets.targets(args.on, freq=FREQ, liberty=args.liberty)
    config = unit_config(args)
    check_tools(chosen)
    require("verilator")
    # Entered before minutes of measuring, which must not end in "permission denied".
    with place.replacing_folder(args.directory) as folder:
        captured, calibration = _read(args, config)
        points, baselines = planned([config], chosen, None)
        paths, cache = write(config, folder / VERILOG), Cache(default_folder())
        measured = measure(points, args.seeds, cache)
        used = {point.target.name: point.target for point in points}
        document = report.document(measured, used, command_line(args), baselines)
        _energy(args, document, points, cache)
        accuracy = None if captured is None else _accuracy(captured, config, calibration)
        evidence = _evidence(config, folder / VERILOG)
        text = _page(args, config, paths, accuracy, document, evidence)
        (folder / place.PAGE).write_text(text, encoding="utf-8", errors="backslashreplace")
    print(Path(args.directory) / place.PAGE)
    if evidence is not None and not evidence.passed:
        raise SystemExit(f"the Verilog of {config.label} is wrong: {evidence.first}")


def _report_model(args: argparse.Namespace) -> None:
    from qse_hw.golden.io.files import read_json
    from qse_hw.golden.models.integer.document import read_formats
    from qse_hw.golden.models.mamba.stream import open_layers
    from qse_hw.study.report import place
    from qse_hw.study.report.integer import check_evaluation, integer_page

    formats = read_formats(args.calibration)
    layers = open_layers(args.model)
    formats.check(layers.fingerprint(), layers.config.architecture, layers.config.n_layer)
    evaluation = None
    if args.evaluation is not None:
        where = f"Evaluation {args.evaluation}"
        evaluation = read_json(args.evaluation, where)
        check_evaluation(evaluation, where, formats.model)
    with place.replacing_folder(args.directory) as folder:
        text = integer_page(formats, layers.config, evaluation, args.command)
        (folder / place.PAGE).write_text(text, encoding="utf-8", errors="backslashreplace")
    print(Path(args.directory) / place.PAGE)


def _read(args: argparse.Namespace, config: UnitConfig) -> "tuple[Activations | None, Calibration | None]":
    """The activations, if the unit has a format, and the calibration that it is from, if there is one."""
    if not hasattr(config, "format"):
        return None, None
    from qse_hw.golden.calibration.calibration import read_calibration

    with console.status("getting activations"):
        captured = from_file_or_default(args.activations)
    if args.calibration is None:
        return captured, None
    calibration = read_calibration(args.calibration)
    calibration.check(layers=len(captured.tensors), channels=captured.channels, model=captured.model)
    return captured, calibration


def _energy(args: argparse.Namespace, document: dict[str, Any], points: "Sequence[Point]", cache: "Cache") -> None:
    """Write into the report the energy of the units that are made of standard cells and have stimuli."""
    from qse_hw.study.stimuli import has_stimuli

    chosen = [n for n, point in enumerate(points) if point.target.family == "cells" and has_stimuli(point.unit.config)]
    if chosen:
        mine = [points[number] for number in chosen]
        tensors = activations(args.activations or "", mine)
        add_energy({"results": [document["results"][number] for number in chosen]}, mine, tensors, cache)


def _accuracy(captured: Activations, config: UnitConfig, calibration: "Calibration | None") -> "Accuracy":
    from qse_hw.study.report.accuracy import measure as losses

    with progress() as tell:
        return losses(captured, config, calibration, lambda share: tell("SQNR of every layer", share))


def _evidence(config: UnitConfig, verilog: Path) -> "Evidence | None":
    from qse_hw.study.report.evidence import run as simulate

    try:
        with progress() as tell:
            return simulate(config, verilog, tell)
    except RuntimeError as error:  # its output says more than a traceback
        raise SystemExit(f"error: {error}") from error


def _page(
    args: argparse.Namespace,
    config: Any,
    paths: Sequence[Path],
    accuracy: "Accuracy | None",
    document: dict[str, Any],
    evidence: "Evidence | None",
) -> str:
    from qse_hw.study.report.about import section_about
    from qse_hw.study.report.accuracy import section_accuracy
    from qse_hw.study.report.cost import section_cost
    from qse_hw.study.report.evidence import section_evidence
    from qse_hw.study.report.files import section_files, section_made
    from qse_hw.study.report.format import section_format
    from qse_hw.study.report.function import section_function
    from qse_hw.study.report.page import page

    about = json.loads((paths[0].parent / "manifest.json").read_text(encoding="utf-8"))
    scale, words = getattr(config, "scale", None), unit_options(args)
    sections = [("about", "What it is", section_about(config, about))]
    if accuracy is not None:
        sections += [
            ("format", "The format", section_format(config.format, None if config.unit == "quantizer" else scale)),
            ("accuracy", "Accuracy", section_accuracy(accuracy, config)),
        ]
    if config.unit == "function":
        sections.append(("function", "The function", section_function(config)))
    sections += [
        ("cost", "Area and speed", section_cost(document)),
        ("evidence", "Evidence", section_evidence(evidence, config, words, about["verilog"]["sha256"])),
        ("files", "Files", section_files(config.top, paths)),
        ("made", "How it was made", section_made(document, command_line(args), datetime.now(UTC).strftime("%Y-%m-%d"))),
    ]
    left_out = "" if accuracy is not None else " It has no number format, so format and accuracy do not apply."
    lead = f"A hardware unit, generated as Verilog, measured and checked by one command.{left_out}"
    return page(config.label, lead, _glance(about, accuracy, document, evidence), sections)


def _glance(
    about: dict[str, Any], accuracy: "Accuracy | None", document: dict[str, Any], evidence: "Evidence | None"
) -> list[tuple[str, str, str]]:
    glance = [("Latency", f"{about['latency']} cycles", f"initiation interval {about['initiation_interval']:g}")]
    if accuracy is not None:
        heading, values = next(iter(accuracy.columns.items()))
        if all(isfinite(value) for value in values):
            glance.append(("SQNR, mean", f"{sum(values) / len(values):.1f} dB", f"of {len(values)} layers, {heading}"))
    for target in document["targets"]:
        first = next(result for result in document["results"] if result["target"] == target)
        area = first["area"]
        size = f"{area['comb']:,} logic, {area['ff']:,} flops"
        if area["silicon"]:
            size = f"{area['silicon']:,.0f} cell area"
        glance.append((f"Fmax, {target}", f"{first['fmax']['median']:.0f} MHz", size))
    if evidence is not None:
        glance.append(("Beside golden", "passed" if evidence.passed else "FAILED", evidence.compared))
    return glance


def unit_options(args: argparse.Namespace) -> list[str]:
    """The words that describe the unit: the options that were given and are not the default."""
    words = []
    for flag, settings in arguments(args.unit).items():
        value = getattr(args, flag.removeprefix("--").replace("-", "_"))
        if "action" in settings:
            words += [flag] * bool(value)
        elif value != settings.get("default"):
            words += [flag, str(value)]
    return words


def command_line(args: argparse.Namespace) -> str:
    """The command that makes the same page, in any folder."""
    words = ["python", "-m", "qse_hw", "report", args.unit, *unit_options(args), "--on", *args.on]
    words += ["--seeds", str(args.seeds)]
    for option in ("liberty", "activations"):
        if getattr(args, option) is not None:
            words += [f"--{option}", str(getattr(args, option))]
    return f"{shlex.join(words)} -o DIR"
