"""Toggles of units' netlists on given stimuli, and the energy of those that are made of standard cells."""

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.io.environment import cores
from qse_hw.synth.activity import Activity, Simulator
from qse_hw.synth.cache import Cache
from qse_hw.synth.cells.energy import energy
from qse_hw.synth.cells.mapped import MappedNetlist
from qse_hw.synth.cells.sta import TimingReport, analyze
from qse_hw.synth.flow import Point, point_key
from qse_hw.synth.targets.cells import LIBRARY, Cells

Patterns = npt.NDArray[np.uint32]


def measure_energy(
    points: Sequence[Point],
    stimuli: Sequence[Mapping[str, Patterns]],
    *,
    cache: Cache | None = None,
    step: Callable[[str], None] = lambda _: None,
) -> list[list[dict[str, Any]]]:
    """Simulate each point's netlist with its stimuli; count toggles and sum up energy.

    Args:
        points: units of one stream in and one out that take a beat in every cycle.
        stimuli: for each point, by name, bit patterns (beats, lanes) for ``i__payload``.
        cache: where results are kept; None: nowhere.
        step: called with a description after each point.

    Returns:
        For each point and stimulus, as JSON: ``stimulus``, ``values``, ``toggles`` per value, and for standard cells
        ``energy``, pJ per value, and its parts ``switching``, ``internal``, ``clock``; ``leakage``, W. Pairs are
        (without glitches, with the glitches that arise if all cells are equally slow): the true figure is expected
        between the two (:mod:`qse_hw.synth.activity`). A figure is None if the library lacks what it needs, and
        ``missing`` says what that is (:class:`qse_hw.synth.cells.energy.Energy`).

    Raises:
        InputError: if a tool is missing or fails, or a netlist cannot be simulated.
    """
    kept = cache or Cache(None)

    def measure(point: Point, patterns: Mapping[str, Patterns]) -> list[dict[str, Any]]:
        digests = {name: hashlib.sha256(beats.tobytes()).hexdigest() for name, beats in patterns.items()}
        key = point_key("energy", point, point.unit.text, "synth") | {"stimuli": digests}
        results: list[dict[str, Any]] = kept.recall(key, lambda: _measure(point, patterns))
        step(f"energy of {point.label}")
        return results

    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(measure, points, stimuli))


def _measure(point: Point, stimuli: Mapping[str, Patterns]) -> list[dict[str, Any]]:
    target, unit = point.target, point.unit
    mapped: MappedNetlist | None = None
    with tempfile.TemporaryDirectory(prefix="qse-energy-") as name:
        folder = Path(name)
        if isinstance(target, Cells):
            (netlist, _), models = target.synthesize(unit, folder), [folder / LIBRARY]
            mapped = MappedNetlist.read(netlist, target.library)
        else:
            netlist, models = _written(point, folder)
        simulate = Simulator(netlist, models)
    timing = None if mapped is None else analyze(mapped)
    results = []
    for stimulus, patterns in stimuli.items():
        activities = [simulate(patterns, glitches=glitches) for glitches in (False, True)]
        result = {
            "stimulus": stimulus,
            "values": activities[0].values,
            "toggles": [activity.per_value for activity in activities],
        }
        if mapped is not None and timing is not None:
            result |= energies(mapped, timing, activities)
        results.append(result)
    return results


def energies(mapped: MappedNetlist, timing: TimingReport, activities: Sequence[Activity]) -> dict[str, Any]:
    """The figures of :func:`measure_energy` that need a library."""
    spent = [energy(mapped, activity, timing) for activity in activities]
    parts = {"switching": "switching", "internal": "internal", "clock": "clock", "energy": "total"}
    figures: dict[str, Any] = {}
    for key, part in parts.items():
        pair = [getattr(one, part) for one in spent]
        figures[key] = None if None in pair else pair
    figures["leakage"] = spent[0].leakage
    return figures | ({"missing": dict(spent[0].missing)} if spent[0].missing else {})


def _written(point: Point, folder: Path) -> tuple[Path, list[Path]]:
    """The netlist of an FPGA as Verilog, and its cells' models."""
    made = point.target.netlist(point.unit, folder)
    texts = {f"netlist_{point.unit.config.top}.v": made.text} | dict(made.models)
    paths = [folder / name for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_text(text, encoding="utf-8")
    return paths[0], paths[1:]
