"""The two stages of a sweep: which units there are and what they lose, then what they cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from qse_hw.golden.calibration.calibration import Calibration
from qse_hw.golden.calibration.quantizers import SegmentedQuantizer
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.rtl_gen.emit.emit import Emitted, emit
from qse_hw.study.sweep import accuracy, plan
from qse_hw.study.sweep.schedule import Runner, finished, local
from qse_hw.study.sweep.spec import CALIBRATION, Spec
from qse_hw.synth.cache import Cache
from qse_hw.synth.flow import Point
from qse_hw.synth.targets.base import Target

Json = dict[str, Any]
Report = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True)
class Built:
    """A combination that can be built.

    Attributes:
        about: name, unit, options, parameters and accuracy, as the report has them.
        made: the options with which :func:`qse_hw.study.sweep.plan.config` makes it.
        emitted: its Verilog.
    """

    about: Json
    made: Json
    emitted: Emitted


def fits(spec: Spec, file: str, cache: Cache, report: Report) -> tuple[dict[tuple[str, int], Json], list[float | None]]:
    """Every format of the SPEC at every width of its scale, fitted to a file of activations; and the layers' limits.

    Both are empty if the unit has no format.
    """
    wanted: dict[tuple[str | None, int], None] = {}
    for options in plan.combinations(spec):
        if "format" in options:
            wanted[None, 16] = None
            if options["format"] != CALIBRATION:
                wanted[options["format"], plan.scale_bits(spec.unit, options)] = None
    # sorted by width, as searches of one width share intermediate results
    order = sorted(wanted, key=lambda one: one[1])
    jobs = [
        {"activations": file, "format": None if format is None else spec.place(format), "scale_bits": bits}
        for format, bits in order
    ]
    work = [(accuracy.key(job), job) for job in jobs]
    results = finished(accuracy.fit, work, local, cache, partial(report, "fitting formats"))
    by_format = dict(zip(order, results, strict=True))
    limit = by_format.pop((None, 16), {"limit_db": []})["limit_db"]
    return {(format, bits): result for (format, bits), result in by_format.items() if format is not None}, limit


def build(
    spec: Spec,
    fitted: Mapping[tuple[str, int], Json],
    layers: Sequence[Any],
    limit: Sequence[float | None],
    calibration: Calibration | None,
    report: Report,
) -> tuple[list[Built], list[Json]]:
    """Emit every combination and measure what it loses; those that cannot be built are returned with the reason.

    Args:
        spec: what to combine.
        fitted, limit: as :func:`fits` gives them.
        layers: the activations, (tokens, channels) of each layer.
        calibration: what the format :data:`CALIBRATION` stands for.
        report: told of progress.
    """
    combinations = list(plan.combinations(spec))
    losses: dict[Any, Json] = {}
    built: list[Built] = []
    skipped: list[Json] = []
    for number, options in enumerate(combinations):
        report("accuracy and Verilog", number / len(combinations))
        name, made, lost = plan.name(spec, options), options, None
        try:
            if "format" in options:
                made, quantizers = plan.settled(spec.unit, options, _layers(spec.unit, options, fitted, calibration))
                input = input_type(options.get("input", "fp32"))  # units without one take codes, which lose no more
                key = tuple(quantizers), input
                lost = losses[key] = losses.get(key) or accuracy.measure(layers, quantizers, input, limit)
            emitted = emit(plan.config(spec.unit, made))
        except InputError as error:
            skipped.append({"name": name, "target": None, "reason": str(error)})
            continue
        about = {
            "name": name,
            "unit": spec.unit,
            "options": options,
            "label": emitted.config.label,
            "parameters": emitted.config.parameters(),
            "accuracy": lost,
        }
        built.append(Built(about=about, made=made, emitted=emitted))
    return built, skipped


def _layers(
    unit: str, options: Json, fitted: Mapping[tuple[str, int], Json], calibration: Calibration | None
) -> list[SegmentedQuantizer]:
    bits = plan.scale_bits(unit, options)
    if options["format"] != CALIBRATION:
        return accuracy.fitted(fitted[options["format"], bits])
    if calibration is None:
        raise InputError(f"Format {CALIBRATION} needs one: give --calibration FILE")
    quantizers = [calibration.layer(number).quantizer for number in range(len(calibration.layers))]
    if len({one.format for one in quantizers}) > 1:
        raise InputError(f"Format {CALIBRATION} must be one for all layers; calibrate with --mode shared")
    if quantizers[0].scale.bits != bits:
        raise InputError(f"Scale bits must be the calibration's {quantizers[0].scale.bits}, not {bits}")
    return quantizers


def cost(
    spec: Spec,
    built: Sequence[Built],
    targets: Sequence[Target],
    cache: Cache,
    run: Runner,
    *,
    shared: bool,
    report: Report,
) -> tuple[list[Json], list[Json]]:
    """Measure every unit on every target: the points of the report, and what cannot be measured, with the reason.

    Args:
        spec: seeds, clock and Liberty file.
        built: the units.
        targets: those of the SPEC, in its order.
        cache: of points.
        run: where.
        shared: whether jobs see the cache themselves, and with it the parts of points that were not finished.
        report: told of progress.

    Raises:
        InputError: if a tool is missing or too old.
    """
    points: list[Json] = []
    skipped: list[Json] = []
    work: list[tuple[Json, Json]] = []
    for name, target in zip(spec.targets, targets, strict=True):
        files = plan.files(target)
        for one in built:
            if not target.can_build(one.emitted):
                wanted = " or ".join(target.builds)
                reason = f"Unit must be built for target {wanted}, not {one.about['parameters']['target']}"
                skipped.append({"name": one.about["name"], "target": target.name, "reason": reason})
                continue
            points.append(one.about | {"target": target.name})
            key = plan.key(Point(one.emitted, target), spec.seeds)
            job = {
                "unit": one.about["unit"],
                "options": one.made,
                "target": {"name": name, "freq": spec.freq, "liberty": next(iter(files), None)},
                "files": files,
                "seeds": spec.seeds,
                "key": key,
                "cache": str(cache.folder) if shared and cache.folder else None,
            }
            work.append((key, job))
    results = finished(plan.measured, work, run, cache, partial(report, "measuring points"))
    for point, result in zip(points, results, strict=True):
        if "error" in result:
            skipped.append({"name": point["name"], "target": point["target"], "reason": result["error"]})
    return [result | point for point, result in zip(points, results, strict=True) if "error" not in result], skipped
