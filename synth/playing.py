"""Data played to the netlists of units: toggles, and energy where the cells are a Liberty file's."""

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.io import sources
from qse_hw.golden.io.environment import cores
from qse_hw.synth.activity import Simulator
from qse_hw.synth.cache import Cache, digest
from qse_hw.synth.cells.energy import Energy, energy
from qse_hw.synth.cells.sta import analyse
from qse_hw.synth.flow import Point, check_tools
from qse_hw.synth.targets.cells import LIBRARY, Cells

Patterns = npt.NDArray[np.uint32]


def play(
    points: Sequence[Point],
    stimuli: Sequence[Mapping[str, Patterns]],
    *,
    cache: Cache | None = None,
    step: Callable[[str], None] = lambda _: None,
) -> list[list[dict[str, Any]]]:
    """What each point's netlist does with its stimuli.

    Args:
        points: units of one stream in and one out that take a beat in every cycle.
        stimuli: for each point, by name, bit patterns (beats, lanes) for ``i__payload``.
        cache: where results are kept; None: nowhere.
        step: called with a description after each point.

    Returns:
        For each point and stimulus, as JSON: ``stimulus``, ``values``, ``toggles`` per value, and for standard cells
        ``energy``, pJ per value, and its parts ``switching``, ``internal``, ``clock``; ``leakage``, W. Pairs are
        (without glitches, with all that equally slow cells make): what is real lies between
        (:mod:`qse_hw.synth.activity`). What the library does not give is None, and ``missing`` says why
        (:class:`qse_hw.synth.cells.energy.Energy`).

    Raises:
        InputError: if a tool is missing or fails, or a netlist cannot be played.
    """
    kept = cache or Cache(None)

    def work(point: Point, wanted: Mapping[str, Patterns]) -> list[dict[str, Any]]:
        key = {
            "what": "energy",
            "verilog": digest(point.unit.text),
            "target": point.target.describe(),
            "tools": check_tools([point.target]),
            "sources": sources.digest("synth"),
            "stimuli": {name: hashlib.sha256(patterns.tobytes()).hexdigest() for name, patterns in wanted.items()},
        }
        found: list[dict[str, Any]] = kept.recall(key, lambda: _played(point, wanted))
        step(f"energy of {point.label}")
        return found

    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(work, points, stimuli))


def _played(point: Point, stimuli: Mapping[str, Patterns]) -> list[dict[str, Any]]:
    target, unit = point.target, point.unit
    with tempfile.TemporaryDirectory(prefix="qse-energy-") as name:
        folder = Path(name)
        if isinstance(target, Cells):
            netlist, models = target.synthesize(unit, folder), [folder / LIBRARY]
        else:
            netlist, models = _written(point, folder)
        simulate = Simulator(netlist, models)
        found = []
        for stimulus, patterns in stimuli.items():
            pair = [simulate(patterns, glitches=glitches) for glitches in (False, True)]
            one = {
                "stimulus": stimulus,
                "values": pair[0].values,
                "toggles": [activity.per_value for activity in pair],
            }
            if isinstance(target, Cells):
                timing = analyse(netlist, target.library)
                energies = [energy(netlist, target.library, activity, timing) for activity in pair]
                one |= {part: _pair(energies, part) for part in ("switching", "internal", "clock")}
                one |= {"energy": _pair(energies, "total"), "leakage": energies[0].leakage}
                one |= {"missing": dict(energies[0].missing)} if energies[0].missing else {}
            found.append(one)
    return found


def _pair(energies: Sequence[Energy], part: str) -> list[float] | None:
    found = [getattr(energy, part) for energy in energies]
    return None if None in found else found


def _written(point: Point, folder: Path) -> tuple[Path, list[Path]]:
    """The netlist of an FPGA as Verilog, and its cells' models."""
    made = point.target.netlist(point.unit, folder)
    texts = {f"netlist_{point.unit.config.top}.v": made.text} | dict(made.models)
    paths = [folder / name for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_text(text, encoding="utf-8")
    return paths[0], paths[1:]
