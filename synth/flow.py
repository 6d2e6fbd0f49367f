"""Area and Fmax of many units on many targets, in parallel; results are kept in :mod:`qse_hw.synth.cache`."""

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cached_property
from operator import index
from pathlib import Path
from threading import Lock
from typing import Any

from qse_hw.golden.errors import InputError
from qse_hw.golden.io import sources
from qse_hw.golden.io.environment import cores
from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.synth import yosys as tools
from qse_hw.synth.cache import Cache, digest
from qse_hw.synth.cmos import transistors
from qse_hw.synth.result import Area, Hop, Measured, Timing
from qse_hw.synth.targets.base import Target
from qse_hw.synth.timing_wrapper import timing_wrapper


def check_seeds(seeds: int) -> int:
    """``seeds``, or an InputError if it is out of range."""
    if not 1 <= index(seeds) <= 1000:
        raise InputError(f"Seeds must be from 1 to 1000, not {seeds!r}")
    return index(seeds)


@dataclass(frozen=True)
class Point:
    """A unit on a target."""

    unit: Emitted
    target: Target

    @property
    def label(self) -> str:
        """In words."""
        return f"{self.unit.config.label} on {self.target.name}"

    @cached_property
    def wrapped(self) -> str:
        """Verilog of the unit in its timing wrapper."""
        return self.unit.text + timing_wrapper(self.unit.config.top, self.unit.ports)


def measure(
    points: Sequence[Point],
    *,
    seeds: int = 3,
    cache: Cache | None = None,
    jobs: int | None = None,
    step: Callable[[str], None] = lambda _: None,
) -> list[Measured]:
    """Measure ``points``, several tools at a time.

    Args:
        points: what to measure, in any order.
        seeds: number of placements, with seeds 1, 2, ..., on targets that place.
        cache: where results are kept; None: nowhere.
        jobs: how many tools may run at a time; None: one per core.
        step: called with a description after each of :func:`steps` steps.

    Raises:
        InputError: if a tool is missing, too old or fails; if a unit does not fit or is not made for its target. The
            results until then are in the cache.
    """
    check_seeds(seeds)
    for point in points:
        if not point.target.can_build(point.unit):
            raise InputError(
                f"Unit {point.unit.config.label} must be built for target {' or '.join(point.target.builds)} "
                f"to be measured on {point.target.name}, not for {point.unit.config.target!r}"  # type: ignore[attr-defined]
            )
    versions = check_tools([point.target for point in points])
    kept = cache or Cache(None)
    with tempfile.TemporaryDirectory(prefix="qse-synth-") as temporary, ThreadPoolExecutor(jobs or cores()) as pool:
        try:
            works = [_Work(point, Path(temporary) / str(number), kept, versions) for number, point in enumerate(points)]
            running: dict[Future[Any], str] = {}
            for work in works:
                running[pool.submit(work.area)] = f"area of {work.point.label}"
                for seed in _seeds(work.point.target, seeds):
                    running[pool.submit(work.timing, seed)] = f"Fmax of {work.point.label}, seed {seed}"
            for job in as_completed(running):
                job.result()
                step(running[job])
        finally:
            pool.shutdown(cancel_futures=True)
        return [work.measured(_seeds(work.point.target, seeds)) for work in works]


def steps(points: Sequence[Point], seeds: int) -> int:
    """The number of steps of :func:`measure`."""
    return sum(1 + len(_seeds(point.target, seeds)) for point in points)


def check_tools(targets: Sequence[Target]) -> dict[str, str]:
    """The versions of all tools that measuring on ``targets`` needs.

    Raises:
        InputError: if one is missing or too old.
    """
    needed = dict.fromkeys([*_TRANSISTORS, *(tool for target in targets for tool in target.programs)])
    return {tool: tools.check_version(tool) for tool in needed}


def _seeds(target: Target, seeds: int) -> range:
    return range(1, (seeds if target.seeded else 1) + 1)


_TRANSISTORS = (tools.YOSYS,)


class _Work:
    """The measurements of one point, which may run at the same time."""

    def __init__(self, point: Point, folder: Path, cache: Cache, versions: dict[str, str]) -> None:
        self.point, self.folder, self.cache = point, folder, cache
        self.versions = {tool: versions[tool] for tool in point.target.programs}
        self.estimating = {tool: versions[tool] for tool in _TRANSISTORS}
        self.sources = sources.digest("synth")
        self.prepared = Lock()
        self.ready = False
        self.documents: dict[str, Any] = {}

    def area(self) -> None:
        unit, target = self.point.unit, self.point.target
        key = self._key("area", unit.text)
        self.documents["area"] = self.cache.recall(key, lambda: asdict(target.area(unit, self._place("bare"))))
        key = {"what": "transistors", "verilog": digest(unit.text), "tools": self.estimating, "sources": self.sources}
        self.documents["transistors"] = self.cache.recall(key, lambda: [transistors(unit, self._place("cmos"))])[0]

    def timing(self, seed: int) -> None:
        key = self._key("timing", self.point.wrapped) | {"seed": seed}
        self.documents[f"seed {seed}"] = self.cache.recall(key, lambda: asdict(self._placed(seed)))

    def measured(self, seeds: Sequence[int]) -> Measured:
        return Measured(
            unit=self.point.unit,
            target=self.point.target.name,
            area=Area(**self.documents["area"]),
            timing={seed: _timing(self.documents[f"seed {seed}"]) for seed in seeds},
            transistors=self.documents["transistors"],
        )

    def _placed(self, seed: int) -> Timing:
        folder = self._place("wrapped")
        with self.prepared:
            if not self.ready:
                self.point.target.prepare(self.point.unit, self.point.wrapped, folder)
                self.ready = True
        return self.point.target.timing(self.point.unit, folder, seed)

    def _place(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _key(self, what: str, verilog: str) -> dict[str, Any]:
        target = self.point.target.describe()
        made = {"tools": self.versions, "sources": self.sources}
        return {"what": what, "verilog": digest(verilog), "target": target, **made}


def point_key(what: str, point: Point, verilog: str, floor: str) -> dict[str, Any]:
    """What a result about a point depends on, besides its own inputs, as a key of the cache.

    Args:
        what: the result.
        point: the unit on its target.
        verilog: what is synthesized of it.
        floor: whose code, with that of the floors before it, gives the result
            (:func:`qse_hw.golden.io.sources.digest`).
    """
    return {
        "what": what,
        "verilog": digest(verilog),
        "target": point.target.describe(),
        "tools": check_tools([point.target]),
        "sources": sources.digest(floor),
    }


def _timing(document: dict[str, Any]) -> Timing:
    path = tuple(Hop(**hop) for hop in document["path"])
    return Timing(mhz=document["mhz"], path=path, without_setup=tuple(document["without_setup"]))
