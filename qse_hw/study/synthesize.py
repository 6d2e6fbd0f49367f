"""Synthesis of units and their baselines with a progress bar, and energy on activations."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import load_format
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.study.console import progress

if TYPE_CHECKING:
    from qse_hw.synth.flow import Point
    from qse_hw.synth.targets.base import Target

FP8 = "fp8-e4m3"


def planned(
    configs: Sequence[UnitConfig], targets: Sequence["Target"], baseline: str | None
) -> tuple[list["Point"], list[int | None]]:
    """The points to measure, each once, and for each the number of its baseline among them.

    Args:
        configs: the units.
        targets: a unit is measured on those that can build it.
        baseline: format to compare with; for a whole model, another calibration; ``fp8-e4m3`` for a cast; ``none``;
            None: int8, for units that are made for a format.

    Raises:
        InputError: if a unit is made for none of the targets, or cannot have the baseline.
    """
    from qse_hw.rtl_gen.emit.emit import emit
    from qse_hw.synth.flow import Point

    beside = [_beside(config, baseline) for config in configs]
    every = list(dict.fromkeys([*configs, *(config for config in beside if config is not None)]))
    emitted = {config: emit(config) for config in every}
    for config, unit in emitted.items():
        if not any(target.can_build(unit) for target in targets):
            raise InputError(
                f"Unit {config.label} is made of cells that none of {', '.join(target.name for target in targets)} "
                "has; give --target generic, or another --on"
            )
    pairs = [(config, target) for target in targets for config in every if target.can_build(emitted[config])]
    numbers = {pair: number for number, pair in enumerate(pairs)}
    others = dict(zip(configs, beside, strict=True))
    baselines = [
        None if (other := others.get(config)) is None else numbers[other, target] for config, target in pairs
    ]
    return [Point(emitted[config], target) for config, target in pairs], baselines


def _beside(config: Any, name: str | None) -> UnitConfig | None:
    """The baseline of a unit."""
    if name == "none" or (name is None and (config.unit == "quantizer" or not hasattr(config, "format"))):
        return None  # with the one segment of int8, a quantizer would have no counts to set
    if name == FP8:
        if config.unit != "encoder":
            raise InputError(f"Baseline {FP8} must be for an encoder, not for {config.unit}")
        from qse_hw.synth.fp8 import CastConfig

        return CastConfig(input=config.input, lanes=config.lanes)
    whole = hasattr(config, "calibration")
    if not whole and not hasattr(config, "format"):
        raise InputError(f"Baseline must be none for unit {config.unit}, which has no format, not {name!r}")
    try:
        changed = {"calibration": name} if whole else {"format": load_format(name or "int8")}
        other: UnitConfig = replace(config, **changed)
    except InputError as error:
        raise InputError(f"Baseline: {error}") from error
    return None if other == config else other


def measure(points: Sequence["Point"], seeds: int, cache: Any) -> list[Any]:
    """:func:`qse_hw.synth.flow.measure` with progress."""
    from qse_hw.synth import flow
    from qse_hw.synth import yosys as tools

    done, total = 0, flow.steps(points, seeds)
    with progress() as report:
        report(f"Yosys and nextpnr ({tools.FIRST_RUN})", 0.0)

        def step(what: str) -> None:
            nonlocal done
            done += 1
            report(what, done / total)

        return flow.measure(points, seeds=seeds, cache=cache, step=step)


def activations(file: str, points: Sequence["Point"]) -> Mapping[str, Any]:
    """The tensors that become stimuli, from ``file`` or, if that is empty, the bundled ones.

    Raises:
        InputError: if the file cannot be used, or none of the units has stimuli.
    """
    from qse_hw.golden.io.activations import read_activations
    from qse_hw.study.sources import BUNDLED_ACTIVATIONS
    from qse_hw.study.stimuli import has_stimuli

    if not any(has_stimuli(point.unit.config) for point in points):
        raise InputError(
            "Energy must be of encoders with a constant scale, or of a model on cells, not of "
            f"{points[0].unit.config.label} on {points[0].target.name}"
        )
    return read_activations(file or BUNDLED_ACTIVATIONS)[0]


def add_energy(
    document: dict[str, Any], points: Sequence["Point"], tensors: Mapping[str, Any], cache: Any
) -> None:
    """Write into a report, result by result, the energy on ``tensors`` of the units that have stimuli."""
    from qse_hw.study.stimuli import has_stimuli, stimuli
    from qse_hw.synth.energy import measure_energy

    numbers = [number for number, point in enumerate(points) if has_stimuli(point.unit.config)]
    chosen = [points[number] for number in numbers]
    patterns = {point.unit.config: stimuli(point.unit.config, tensors) for point in chosen}
    done = 0
    with progress() as report:

        def step(what: str) -> None:
            nonlocal done
            done += 1
            report(what, done / len(chosen))

        energies = measure_energy(chosen, [patterns[point.unit.config] for point in chosen], cache=cache, step=step)
    for number, energy in zip(numbers, energies, strict=True):
        document["results"][number]["energy"] = energy


def add_cycles(document: dict[str, Any], points: Sequence["Point"]) -> None:
    """Write exact cycles per token of models with streams into a report, and tokens per second at their median Fmax.

    A token is alone in the unit, as when a model writes; its memories answer at once. With buses (``accelerator``), the
    cycles are those of the memory as well, so the report has none.
    """
    from qse_hw.rtl_gen.units.accelerator import AcceleratorConfig
    from qse_hw.rtl_gen.units.model import ModelConfig
    from qse_hw.sim.cycle.mixer.token_cycles import count_cycles

    for point, result in zip(points, document["results"], strict=True):
        config = point.unit.config
        if isinstance(config, ModelConfig) and not isinstance(config, AcceleratorConfig):
            mixer = config.mixer
            cycles = count_cycles(mixer, layers=mixer.layers, tokens=1).alone.cycles
            result["cycles_per_token"] = cycles
            result["tokens_per_second"] = 1e6 * result["fmax"]["median"] / cycles
