"""Every input pattern of an encoder, decoder, function or activation unit through its Verilog, compared with golden.

Inputs of up to 16 bits: all patterns, in every lane, or, with a run-time scale, at every k. Wider inputs: the patterns
around every decision and random ones, or all patterns, too. Golden computes the answer to every pattern that is sent;
nothing is extrapolated.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import MAX_LOG2_STEP, Scale
from qse_hw.golden.io.environment import cores
from qse_hw.golden.reference.vectors import around_decisions, decoder_vectors, expected, from_patterns
from qse_hw.rtl_gen.units.activation import ActivationConfig
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.function import FunctionConfig
from qse_hw.sim.exhaust.bulk import Bulk, check_unit

SEED = 20261123
RANDOM = 10**8  # random patterns of inputs of more than 16 bits
_CHUNK = 1 << 20  # patterns per simulation

Unit = EncoderConfig | DecoderConfig | FunctionConfig | ActivationConfig
Patterns = npt.NDArray[np.uint32]
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
        check_unit(self.config)
        if self.random < 1:
            raise InputError(f"Random must be at least 1, not {self.random!r}")

    @property
    def width(self) -> int:
        """Bits of a pattern."""
        config = self.config
        return config.format.bits if isinstance(config, DecoderConfig) else config.input.width

    @property
    def scales(self) -> Sequence[Scale | None]:
        """The scales of the simulations; None for units that have none."""
        config = self.config
        if isinstance(config, ActivationConfig):
            default = config.default_scale()
        elif not isinstance(config, EncoderConfig):
            return [None]
        elif config.scale is not None:
            return [config.scale]
        else:
            default = config.default_runtime_scale()
        return [default] if self.every and self.width > 16 else every_k(config.scale_bits)

    @property
    def words(self) -> str:
        """The patterns, in words."""
        if self.every or self.width <= 16:
            return f"all {1 << self.width:,} patterns"
        if isinstance(self.config, FunctionConfig | ActivationConfig):
            return f"every border +-2 steps and {self.random:,} random patterns"
        return f"every decision +-2 steps and {self.random:,} random patterns"

    def simulations(self) -> list["Simulation"]:
        """The simulations, each from reset."""
        width, lanes, config = self.width, self.config.lanes, self.config
        if width <= 16 and len(self.scales) == 1:
            return [Simulation(self.scales[0], partial(_in_every_lane, width, lanes))]
        if self.every or width <= 16:
            return [
                Simulation(scale, partial(_range, begin, min(begin + _CHUNK, 1 << width), number))
                for number, scale in enumerate(self.scales)
                for begin in range(0, 1 << width, _CHUNK)
            ]
        assert not isinstance(config, DecoderConfig)  # no code has more than 16 bits
        if isinstance(config, FunctionConfig):
            edges = [Simulation(None, config.patterns)]
        elif isinstance(config, ActivationConfig):
            edges = [Simulation(scale, config.silu.patterns) for scale in self.scales]
        else:
            edges = [Simulation(scale, partial(around_decisions, config.format, config.input, scale))
                     for scale in self.scales if scale is not None]  # fmt: skip
        starts = enumerate(range(0, self.random, _CHUNK))
        return edges + [
            Simulation(self.scales[n % len(self.scales)], partial(_random, n, min(_CHUNK, self.random - begin), width))
            for n, begin in starts
        ]


class Simulation(NamedTuple):
    """A scale, for its ports if the unit has them, and a function that makes the patterns on demand."""

    scale: Scale | None
    patterns: Callable[[], Patterns]


def every_k(bits: int) -> list[Scale]:
    """A scale for every k that scales of ``bits`` bits can have; M is smallest, random, largest in turn."""
    rng = np.random.default_rng(SEED)
    low, high = 1 << (bits - 1), (1 << bits) - 1
    scales = []
    for number, k in enumerate(range(bits - MAX_LOG2_STEP - 1, bits + MAX_LOG2_STEP)):
        drawn = int(rng.integers(low, high, endpoint=True))
        scales.append(Scale(M=(low, drawn, high, drawn)[number % 4], k=k, bits=bits))  # the first k allows only M = low
    return scales


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
        return len(patterns), compare(dut, config, padded, simulation.scale)

    differences, values = [], 0
    with ThreadPoolExecutor(threads) as pool:
        for number, (size, difference) in enumerate(pool.map(run, simulations)):
            values += size
            differences.append(difference)
            progress(f"{config.label}, {check.words}", (number + 1) / len(simulations))
    return Finding(
        label=config.label,
        patterns=check.words,
        scales=len(check.scales),
        values=values,
        wrong=sum(difference.wrong for difference in differences),
        wrong_flags=sum(difference.wrong_flags for difference in differences),
        first=next((difference.first for difference in differences if difference.first), ""),
        compiling=compiled - begun,
        seconds=time.perf_counter() - compiled,
    )


def compare(dut: Bulk, config: Unit, patterns: Patterns, scale: Scale | None) -> Difference:
    """Compare the outputs of ``dut`` for ``patterns``, whole beats, with golden's for ``config``."""
    answer = dut(patterns, scale)
    if isinstance(config, DecoderConfig):
        _, values, invalid = decoder_vectors(config.format)
        outputs, name = dut.as_outputs(values[patterns]), "value"
        events, most = {"invalid": invalid[patterns]}, 0
    elif isinstance(config, FunctionConfig):
        values, outside = config.expected(patterns)
        outputs, name = dut.as_outputs(values), "output"
        events, most = {"saturated": outside}, 0
    elif isinstance(config, ActivationConfig):
        assert scale is not None
        values, saturated = config.expected(from_patterns(patterns, config.input), scale)
        outputs, name = dut.as_outputs(values), "code and value"
        events, most = {"saturated": saturated}, 0
    else:
        assert scale is not None
        want = expected(patterns, config.format, config.input, scale)
        outputs, name = want.codes.astype(np.uint32), "code"
        events, most = {"saturated": want.saturated, "nan": want.nan}, (1 << config.counter_width) - 1
    at = f" at {scale}" if scale else ""
    different = np.flatnonzero(answer.outputs != outputs)
    first = ""
    if different.size:
        place = different[0]
        got, need = answer.outputs[place], outputs[place]
        first = f"pattern {patterns[place]:#x}{at}, lane {place % config.lanes}: {name} {got:#x}, not {need:#x}"
    wrong_beats = np.zeros(len(patterns) // config.lanes, np.bool_)
    for flag, happened in events.items():
        beats = happened.reshape(-1, config.lanes)
        wrong = answer.flags[flag] != beats.any(axis=1)
        if flag == "saturated" and most:
            wrong |= answer.saturation_count != np.minimum(beats.sum(axis=1), most).astype(np.uint64)
        wrong_beats |= wrong
        if wrong.any() and not first:
            beat = patterns.reshape(-1, config.lanes)[np.flatnonzero(wrong)[0]]
            first = f"patterns {beat[0]:#x} to {beat[-1]:#x}{at}: {flag}, or its count, is wrong"
    return Difference(int(different.size), int(wrong_beats.sum()), first)
