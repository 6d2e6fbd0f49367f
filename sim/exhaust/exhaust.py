"""Every input pattern of a unit whose outputs depend on one input each through its Verilog, compared with golden.

Inputs of up to 16 bits: all patterns, in every lane, or, with a run-time scale, at every k. Wider inputs: the patterns
around every decision and random ones, or all patterns, too. Time steps: with each of several sets of parameters, which
are loaded first. Golden computes the answer to every pattern that is sent; nothing is extrapolated.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.environment import cores
from qse_hw.sim.exhaust.bulk import Bulk
from qse_hw.sim.exhaust.kinds import SEED, Kind, Patterns, Setting, Unit, kind

RANDOM = 10**8  # random patterns of inputs of more than 16 bits
_CHUNK = 1 << 20  # patterns per simulation
_FEW = 16  # settings for which every pattern of up to 16 bits is sent in every lane

Progress = Callable[[str, float], None]


class Difference(NamedTuple):
    """The number of wrong outputs, and of beats with wrong flags; the first difference in words, or ""."""

    wrong: int
    wrong_flags: int
    first: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of the check of one unit.

    Attributes:
        label: the unit.
        patterns: the patterns sent, in words.
        scales: number of scales.
        values: number of outputs compared.
        wrong, wrong_flags: numbers of outputs, and of beats with flags, that differ from golden.
        first: the first difference in words, or "".
        compiling, seconds: wall time of generating and compiling, and of the rest.
    """

    label: str
    patterns: str
    scales: int
    values: int
    wrong: int
    wrong_flags: int
    first: str
    compiling: float
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether nothing differs."""
        return not (self.wrong or self.wrong_flags)


@dataclass(frozen=True, kw_only=True)
class Check:
    """A unit and its patterns: for an input of more than 16 bits, ``random`` ones or ``every`` one.

    Raises:
        InputError: for other units, and if ``random`` is less than 1.
    """

    config: Unit
    random: int = RANDOM
    every: bool = False

    def __post_init__(self) -> None:
        _ = self.kind
        if self.random < 1:
            raise InputError(f"Random must be at least 1, not {self.random!r}")

    @cached_property
    def kind(self) -> Kind:
        """What depends on the kind of unit."""
        return kind(self.config)

    @property
    def width(self) -> int:
        """Bits of a pattern."""
        return self.kind.width

    @property
    def settings(self) -> Sequence[Setting]:
        """What is set in the simulations."""
        return [self.kind.default] if self.every and self.width > 16 else self.kind.settings

    @property
    def scales(self) -> int:
        """The number of scales; 1 for units that have none."""
        return len({setting.scale for setting in self.settings})

    @property
    def words(self) -> str:
        """The patterns, in words."""
        sets = "" if self.scales == len(self.settings) else f" with each of {len(self.settings)} sets of parameters"
        if self.every or self.width <= 16:
            return f"all {1 << self.width:,} patterns{sets}"
        return f"every {self.kind.edge} +-2 steps{sets} and {self.random:,} random patterns"

    def simulations(self) -> list["Simulation"]:
        """The simulations, each from reset."""
        width, settings = self.width, self.settings
        if width <= 16 and len(settings) <= _FEW:
            return [Simulation(setting, partial(_in_every_lane, width, self.config.lanes)) for setting in settings]
        if self.every or width <= 16:
            return [
                Simulation(setting, partial(_range, begin, min(begin + _CHUNK, 1 << width), number))
                for number, setting in enumerate(settings)
                for begin in range(0, 1 << width, _CHUNK)
            ]
        starts = enumerate(range(0, self.random, _CHUNK))
        return [Simulation(setting, partial(self.kind.edges, setting)) for setting in settings] + [
            Simulation(settings[n % len(settings)], partial(_random, n, min(_CHUNK, self.random - begin), width))
            for n, begin in starts
        ]


class Simulation(NamedTuple):
    """What is set, and a function that makes the patterns on demand."""

    setting: Setting
    patterns: Callable[[], Patterns]


def _range(begin: int, end: int, shift: int) -> Patterns:
    """The patterns from ``begin`` to before ``end``, rotated by ``shift``, so that each comes in different lanes."""
    return np.roll(np.arange(begin, end, dtype=np.uint64).astype(np.uint32), -shift)


def _random(number: int, size: int, width: int) -> Patterns:
    return np.random.default_rng([SEED, number]).integers(0, 1 << width, size, dtype=np.uint64).astype(np.uint32)


def _in_every_lane(width: int, lanes: int) -> Patterns:
    """Every pattern in every lane, otherwise in random order."""
    order = np.random.default_rng(SEED).permutation(1 << width).astype(np.uint32)
    whole = np.concatenate([order, np.resize(order, -len(order) % lanes)])
    return np.concatenate([np.roll(whole, lane) for lane in range(lanes)])


def exhaust(
    checks: Sequence[Check], *, build: Callable[..., Bulk] = Bulk, progress: Progress = lambda what, fraction: None
) -> Iterator[Finding]:
    """Run every check, as many at a time as there are cores; if there is one, its simulations run in parallel.

    Args:
        checks: the checks.
        build: makes a unit's library, like :class:`qse_hw.sim.exhaust.bulk.Bulk`.
        progress: called with the current step in words and the fraction done, 0 to 1.

    Yields:
        A finding per check, in order.

    Raises:
        InputError: if Verilator or what it needs is missing.
        RuntimeError: if compilation fails, or the number of output beats is wrong.
    """
    available = cores()
    threads = available if len(checks) == 1 else 1
    with tempfile.TemporaryDirectory(prefix="qse_hw_exhaust_") as folder, ThreadPoolExecutor(available) as pool:
        done = [0.0] * len(checks)

        def report(number: int, what: str, fraction: float) -> None:
            done[number] = fraction
            progress(what if len(checks) == 1 else f"checking {len(checks)} units", sum(done) / len(checks))

        def one(number: int) -> Finding:
            place = Path(folder) / str(number)
            return _check(checks[number], place, build, threads, lambda *now: report(number, *now))

        yield one(0)  # and with it Verilator's runtime, which the others take from the compiler's cache
        yield from pool.map(one, range(1, len(checks)))


def _check(
    check: Check, folder: Path, build: Callable[..., Bulk], threads: int, progress: Progress
) -> Finding:
    config, begun = check.config, time.perf_counter()
    progress(f"compiling {config.label}", 0)
    dut = build(config, folder)
    compiled = time.perf_counter()
    simulations = check.simulations()

    def run(simulation: Simulation) -> tuple[int, Difference]:
        patterns = simulation.patterns()
        padded = np.concatenate([patterns, np.zeros(-len(patterns) % config.lanes, np.uint32)])
        return len(patterns), compare(dut, check.kind, padded, simulation.setting)

    differences, values = [], 0
    with ThreadPoolExecutor(threads) as pool:
        for number, (size, difference) in enumerate(pool.map(run, simulations)):
            values += size
            differences.append(difference)
            progress(f"{config.label}, {check.words}", (number + 1) / len(simulations))
    return Finding(
        label=config.label,
        patterns=check.words,
        scales=check.scales,
        values=values,
        wrong=sum(difference.wrong for difference in differences),
        wrong_flags=sum(difference.wrong_flags for difference in differences),
        first=next((difference.first for difference in differences if difference.first), ""),
        compiling=compiled - begun,
        seconds=time.perf_counter() - compiled,
    )


def compare(dut: Bulk, kind: Kind, patterns: Patterns, setting: Setting) -> Difference:
    """Compare the outputs of ``dut`` for ``patterns``, whole beats, with golden's for the unit of ``kind``."""
    answer = dut(patterns, setting.scale, kind.words(setting))
    want, lanes = kind.expected(patterns, setting), kind.config.lanes
    outputs = dut.as_outputs(want.outputs)
    different = np.flatnonzero(answer.outputs != outputs)
    first = ""
    if different.size:
        place = int(different[0])
        got, need, at = answer.outputs[place], outputs[place], kind.at(setting, place)
        first = f"pattern {patterns[place]:#x}{at}, lane {place % lanes}: {kind.output} {got:#x}, not {need:#x}"
    wrong_beats = np.zeros(len(patterns) // lanes, np.bool_)
    for flag, happened in want.events.items():
        beats = happened.reshape(-1, lanes)
        wrong = answer.flags[flag] != beats.any(axis=1)
        if flag == "saturated":
            wrong |= answer.saturation_count != np.minimum(beats.sum(axis=1), kind.most_counted).astype(np.uint64)
        wrong_beats |= wrong
        if wrong.any() and not first:
            number = int(np.flatnonzero(wrong)[0])
            beat, at = patterns[number * lanes :][:lanes], kind.at(setting, number * lanes)
            first = f"patterns {beat[0]:#x} to {beat[-1]:#x}{at}: {flag}, or its count, is wrong"
    return Difference(int(different.size), int(wrong_beats.sum()), first)
