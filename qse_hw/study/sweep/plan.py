"""From a SPEC to points: which units, with which formats and scales, on which targets; and what measures a point."""

import hashlib
import platform
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import format_from_json, format_to_json
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.emit.unit import UnitConfig, unit_class
from qse_hw.rtl_gen.units.option_kinds import RUNTIME
from qse_hw.rtl_gen.units.options import configure, options, read
from qse_hw.rtl_gen.units.shared import SCALE_BITS
from qse_hw.study.sweep.spec import FITTED, Spec
from qse_hw.synth import flow, report, targets
from qse_hw.synth.cache import Cache
from qse_hw.synth.targets.base import Target
from qse_hw.synth.targets.cells import Cells

Json = dict[str, Any]


def combinations(spec: Spec) -> Iterator[Json]:
    """Every combination of the options' values, as the SPEC writes them."""
    for row in product(*spec.options.values()):
        yield dict(zip(spec.options, row, strict=True))


def name(spec: Spec, chosen: Json) -> str:
    """A combination in words: the unit, and the options that the SPEC varies."""
    said = [spec.unit]
    for option, value in chosen.items():
        if option in ("format", "input"):
            said.append(value)
        elif len(spec.options[option]) > 1:
            said.append(f"{option}={value}")
    return " ".join(said)


def scale_bits(unit: str, chosen: Json) -> int:
    """The width of the scale's M."""
    option = options(unit_class(unit)).get("scale_bits", SCALE_BITS)
    return int(chosen.get("scale-bits", option.default))


def settled(unit: str, chosen: Json, fitted: Sequence[SegmentedQuantizer]) -> tuple[Json, list[SegmentedQuantizer]]:
    """The options to build a unit with, and the quantizer that each layer's values pass.

    A format becomes the fitted one. The scale ``runtime`` is each layer's own; so it is with ``fitted``, where every
    layer has a unit of its own and the first layer's is measured. A number is the scale of all layers.

    Args:
        unit: its name.
        chosen: as the SPEC says.
        fitted: each layer's best, all of one format.

    Raises:
        InputError: for a scale that cannot be.
    """
    made = chosen | {"format": format_to_json(fitted[0].format)}
    scale = chosen.get("scale")
    if scale == FITTED:
        made["scale"] = repr(float(fitted[0].scale.step))
    elif scale not in (None, RUNTIME) and unit == "encoder":  # a quantizer's is only where its register begins
        constant = Scale.from_step(float(scale), scale_bits(unit, chosen))
        return made, [SegmentedQuantizer(format=one.format, scale=constant) for one in fitted]
    return made, list(fitted)


def config(unit: str, made: Json) -> UnitConfig:
    """The unit of some options; a format is a JSON document.

    Raises:
        InputError: if it cannot be.
    """
    given = {option.replace("-", "_"): value for option, value in made.items()}
    if "format" in given:
        given["format"] = format_from_json(given["format"])
    wanted = unit_class(unit)
    return configure(wanted, read(wanted, given))


def key(point: flow.Point, seeds: int) -> Json:
    """All that a point's cost depends on."""
    return flow.point_key("sweep point", point, point.wrapped, "qse_hw") | {"seeds": seeds}


def files(target: Target) -> dict[str, str]:
    """What measuring on a target reads beside the package: SHA-256 by absolute path."""
    if not isinstance(target, Cells):
        return {}
    path = target.path.absolute()
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest()}


def measured(job: Json) -> Json:
    """Measures a point; runs on any machine.

    Args:
        job: ``unit``, ``options`` (as :func:`config` takes them), ``target`` (arguments of
            :func:`qse_hw.synth.targets.target`), ``files`` (as :func:`files` gives them), ``seeds``, ``key``, and
            ``cache``, a folder or null.

    Returns:
        The result as in :mod:`qse_hw.synth.report`; or ``error``, why the unit cannot be measured there.

    Raises:
        InputError: if this machine would measure something else than the one that made the job: it has other tools,
            another Liberty file, or none, or another version of this package.
    """
    for file, wanted in job["files"].items():
        _check_file(Path(file), wanted)
    target = dict(job["target"])
    liberty = target.pop("liberty")
    chosen = targets.target(**target, liberty=None if liberty is None else Path(liberty))
    point = flow.Point(emit(config(job["unit"], job["options"])), chosen)
    here, there = key(point, job["seeds"]), job["key"]
    if here != there:
        differing = ", ".join(what for what in there if here.get(what) != there[what])
        raise InputError(
            "Workers must have the package and the tools of the machine that the sweep was started on, but on worker "
            f"{platform.node()} these differ: {differing}; install the same versions there"
        )
    cache = Cache(None if job["cache"] is None else Path(job["cache"]))
    try:
        measurements = flow.measure([point], seeds=job["seeds"], cache=cache, jobs=1)
    except InputError as error:
        return {"error": str(error)}
    result: Json = report.document(measurements, {chosen.name: chosen}, "", [None])["results"][0]
    return result


def _check_file(path: Path, wanted: str) -> None:
    """InputError unless this machine's file is the one that the sweep was started with."""
    try:
        actual = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    else:
        if actual == wanted:
            return
        problem = f"has SHA-256 {actual[:12]}..., not {wanted[:12]}..."
    raise InputError(
        f"File {path} must be on every worker as on the machine that the sweep was started on, but on worker "
        f"{platform.node()} it {problem}; copy it there"
    )
