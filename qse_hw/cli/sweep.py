"""The design space of a SPEC file: accuracy and cost of every combination, and the Pareto front of each target.

A SPEC is TOML: a unit, targets, options (those of gen, each with one or more values) and objectives; docs/sweeps has
some. A format whose parameters are open is fitted to all layers together, and built so. The scale may also be "fitted":
a unit per layer, of which the first layer's is measured. What was measured before is not measured again.
"""

import argparse
import json
import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.files import replacing
from qse_hw.study.console import console, progress, table
from qse_hw.study.sources import BUNDLED_ACTIVATIONS, from_file_or_default

if TYPE_CHECKING:
    from qse_hw.golden.calibration.calibration import Calibration
    from qse_hw.study.sources import Activations
    from qse_hw.study.sweep.spec import Spec

OUTPUTS = ("sweep.json", "sweep.md", "sweep.png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The SPEC, values to judge accuracy on, where to run, where to write."""
    parser.add_argument("spec", metavar="SPEC.toml", help="what to combine, and what to compare by")
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help=f"for {', '.join(OUTPUTS)}")
    parser.add_argument("--activations", metavar="FILE", help="from capture (default: the file that ships)")
    parser.add_argument("--calibration", metavar="FILE", help="what the format called calibration in the SPEC means")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="measure on the workers of this Dask scheduler")
    parser.add_argument("--cache", metavar="DIR", type=Path, help="where results are kept (default: the user's cache)")


def run(args: argparse.Namespace) -> None:
    """Combine, fit, measure, write, print."""
    from qse_hw.study.sweep.report import markdown, rows
    from qse_hw.study.sweep.spec import read_spec
    from qse_hw.study.sweep_picture import draw

    spec = read_spec(args.spec)
    file = str(BUNDLED_ACTIVATIONS) if args.activations is None else args.activations
    activations = from_file_or_default(file)
    calibration = None if args.calibration is None else _calibration(args.calibration, activations, spec)
    # Entered before hours of measuring, which must not end in "permission denied".
    with ExitStack() as stack:
        parts = {name: stack.enter_context(replacing(args.output / name)) for name in OUTPUTS}
        document = swept(args, spec, file, activations, calibration)
        parts["sweep.json"].write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        parts["sweep.md"].write_text(markdown(document), encoding="utf-8")
        draw(parts["sweep.png"], document)
    for target in document["targets"]:
        headings, lines = rows(document, target, front=True)
        count = sum(point["target"] == target for point in document["points"])
        if count:
            table(f"{target}: Pareto front, {len(lines)} of {count} points", headings, lines)
    if document["skipped"]:
        first = document["skipped"][0]
        console.print(f"skipped: {len(document['skipped'])}, the first: {first['name']}: {first['reason']}")
    for name in OUTPUTS:
        print(args.output / name)


def swept(
    args: argparse.Namespace, spec: "Spec", file: str, activations: "Activations", calibration: "Calibration | None"
) -> dict[str, Any]:
    """The report; InputError if there is nothing to report on."""
    from qse_hw.study.sweep import report, stages
    from qse_hw.study.sweep.schedule import cluster, local
    from qse_hw.synth import flow, targets
    from qse_hw.synth.cache import Cache, default_folder

    chosen = [targets.target(name, freq=spec.freq, liberty=spec.liberty) for name in spec.targets]
    if len({target.name for target in chosen}) < len(chosen):
        raise InputError(f"Targets must differ, not {', '.join(target.name for target in chosen)}")
    flow.check_tools(chosen)
    cache = Cache((args.cache or default_folder()).absolute())
    runner = local if args.scheduler is None else cluster(args.scheduler)
    with progress() as told:
        fitted, limit = stages.fits(spec, file, cache, told)
        layers = list(activations.tensors.values())
        built, impossible = stages.build(spec, fitted, layers, limit, calibration, told)
        points, failed = stages.cost(spec, built, chosen, cache, runner, shared=args.scheduler is None, report=told)
    skipped = [*impossible, *failed]
    if not points:
        raise InputError(f"Sweep must have a point that can be built; {skipped[0]['name']}: {skipped[0]['reason']}")
    origin = "the file that ships with the package" if args.activations is None else Path(file).name
    about = {
        "origin": origin,
        "model": activations.model,
        "layers": len(layers),
        "tokens": activations.tokens,
        "channels": activations.channels,
        "limit_sqnr_db": limit,
    }
    return report.document(spec, _command(args), about if limit else None, chosen, points, skipped)


def _calibration(path: str, activations: "Activations", spec: "Spec") -> "Calibration":
    from qse_hw.golden.calibration.calibration import read_calibration
    from qse_hw.study.sweep.spec import CALIBRATION

    if CALIBRATION not in spec.options.get("format", []):
        raise InputError(f"Formats must include {CALIBRATION} where --calibration is given; add it to the SPEC")
    calibration = read_calibration(path)
    calibration.check(layers=len(activations.tensors), channels=activations.channels, model=activations.model)
    return calibration


def _command(args: argparse.Namespace) -> str:
    """The command, with only the options that affect the figures."""
    words = ["python", "-m", "qse_hw", "sweep", args.spec, "-o", "DIR"]
    for option in ("activations", "calibration"):
        if (value := getattr(args, option)) is not None:
            words += [f"--{option}", value]
    return shlex.join(words)
