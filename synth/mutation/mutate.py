"""Mutation testing of the netlist: whether the stimuli of the regression detect faults in it.

Yosys' ``mutate`` makes the faults. A mutant is killed by the first cycle in which an output differs from the cycle
model's (:mod:`qse_hw.synth.mutation.stimuli`). Survivors are proved equivalent (:mod:`qse_hw.synth.mutation.prove`) or
reported.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.function import one_of_each
from qse_hw.synth.mutation.netlist import LEVELS, Level, mutants
from qse_hw.synth.mutation.prove import EQUIVALENT, prove, witnesses
from qse_hw.synth.mutation.simulate import compile_simulator, simulate
from qse_hw.synth.mutation.stimuli import program, stimuli

SEED = 2601
SAMPLE = 1000
"""Number of mutants per configuration; all if there are fewer."""
FORMATS = ("se8", "se8-silu", "se9-paper")
STEPS = {"s16": 120.4, "bf16": 0.0147, "fp32": 0.0147}

Report = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The results of the mutants of a configuration.

    Attributes:
        name: the unit and the level.
        level: of the netlist.
        mutants: their number.
        killed: number of mutants that the stimuli detect.
        equivalent: number of survivors that were proved equivalent, by kind of proof.
        survivors: the others, a dictionary each: where, whether the solver found a difference or gave up, and beats
            that show the difference, for :data:`qse_hw.synth.mutation.stimuli.DIRECTED_BEATS`.
        cycles: cycles simulated per mutant at most.
        seconds: wall time.
    """

    name: str
    level: Level
    mutants: int
    killed: int
    equivalent: dict[str, int]
    survivors: list[dict[str, Any]]
    cycles: int
    seconds: float

    @property
    def score(self) -> float:
        """Killed mutants divided by those that are not proved equivalent; 1 if there are none."""
        return self.killed / (self.killed + len(self.survivors)) if self.killed or self.survivors else 1.0

    def item(self) -> dict[str, Any]:
        """As an item of :func:`qse_hw.golden.io.evidence.evidence`."""
        return {
            "name": self.name,
            "passed": not self.survivors,
            "level": self.level,
            "mutants": self.mutants,
            "killed": self.killed,
            "equivalent": sum(self.equivalent.values()),
            "proved": self.equivalent,
            "different": sum(survivor["verdict"] == "different" for survivor in self.survivors),
            "unresolved": sum(survivor["verdict"] == "unresolved" for survivor in self.survivors),
            "score": round(self.score, 5),
            "cycles": self.cycles,
            "seconds": round(self.seconds, 1),
            "survivors": self.survivors,
        }


def mutate(
    config: UnitConfig,
    *,
    level: Level,
    count: int,
    seed: int,
    report: Report = lambda what, fraction: None,
) -> Outcome:
    """Make ``count`` mutants of a unit (0: all possible), simulate them, and try to prove survivors equivalent.

    Args:
        config: an encoder or a decoder.
        level: of the netlist, ``word`` or ``gate``.
        count: how many mutants, drawn with ``seed``; 0 for all.
        seed: of the sample and of the stimuli.
        report: called with the current step and the fraction of it that is done.

    Raises:
        InputError: for another unit, or an unknown level or a negative count; if a tool is missing.
        RuntimeError: if the netlist without a fault differs from golden.
    """
    began = time.monotonic()
    name = f"{config.label}, {level}s"
    report(f"{name}: stimuli", 0.0)
    rng = np.random.default_rng(seed)
    given = stimuli(config, rng)
    emitted = emit(config)
    programs = [program(emitted, part, rng) for part in given]
    with tempfile.TemporaryDirectory(prefix="qse-mutate-") as made:
        folder = Path(made)
        report(f"{name}: netlist", 0.0)
        netlist = mutants(emitted, level=level, count=count, seed=seed, folder=folder)
        left = [mutant.number for mutant in netlist.mutants]
        for number, rows in enumerate(programs):
            within = _within(report, f"{name}: simulation", number, len(programs))
            unharmed, *first = simulate(netlist, rows, [0, *left], folder, within).tolist()
            if unharmed >= 0:
                raise RuntimeError(f"{name}: without a fault, outputs are wrong in cycle {unharmed}")
            left = [mutant for mutant, cycle in zip(left, first, strict=True) if cycle < 0]
        verdicts = prove(netlist, left, folder, _within(report, f"{name}: proofs", 0, 1))
        beats = witnesses(netlist, [number for number in left if verdicts[number] == "different"], folder)
    return Outcome(
        name=name,
        level=level,
        mutants=len(netlist.mutants),
        killed=len(netlist.mutants) - len(left),
        equivalent={how: n for how in EQUIVALENT if (n := list(verdicts.values()).count(how))},
        survivors=[
            {"where": str(netlist.mutants[number - 1]), "verdict": verdict, "beats": beats.get(number, [])}
            for number, verdict in verdicts.items()
            if verdict not in EQUIVALENT
        ],
        cycles=sum(map(len, programs)),
        seconds=time.monotonic() - began,
    )


def standard() -> Iterator[tuple[UnitConfig, Level]]:
    """The configurations of the score; counters have 6 bits, as some faults of wide ones take 2**31 beats to show."""
    for name in FORMATS:
        yield from ((DecoderConfig(format=load_format(name)), level) for level in LEVELS)
    yield from ((config, level) for config in one_of_each() for level in LEVELS)
    for constant, name, (input_name, step) in product((True, False), FORMATS, STEPS.items()):
        scale = Scale.from_step(step) if constant else None
        config = EncoderConfig(format=load_format(name), input=input_type(input_name), scale=scale, counter_width=6)
        yield from ((config, level) for level in (LEVELS if constant else LEVELS[:1]))


def mutate_all(
    jobs: Sequence[tuple[UnitConfig, Level]], *, count: int, seed: int, report: Report = lambda what, fraction: None
) -> Iterator[Outcome]:
    """Run :func:`mutate` for each of ``jobs``, as many at a time as there are cores; outcomes in the order of jobs."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        report("compiling the simulator", 0.0)
        compile_simulator()  # once, before the threads need it
        finished = 0

        def one(job: tuple[UnitConfig, Level]) -> Outcome:
            config, level = job
            within: Report = lambda what, fraction: report(what, (finished + fraction) / len(jobs))  # noqa: E731
            return mutate(config, level=level, count=count, seed=seed, report=within)

        for outcome in pool.map(one, jobs):
            finished += 1
            yield outcome


def _within(report: Report, what: str, part: int, parts: int) -> Callable[[float], None]:
    return lambda fraction: report(what, (part + fraction) / parts)
