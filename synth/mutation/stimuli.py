"""Stimuli of mutants of encoder and decoder, and their expected outputs: every bit in every cycle.

The stimuli are of the regression's kinds (``tests/sim/cycle``, ``tests/rtl_gen``): inputs around every decision, under
random stalls with frequent and with rare ``clear``, and at full speed; every pattern; another scale in every beat; a
reset in the middle. The expected outputs are those of the cycle models, whose values golden computes.
``tests/synth/mutation/test_stimuli.py`` applies the same stimuli to the emitted Verilog.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.io.files import read_json
from qse_hw.golden.reference.vectors import around_decisions
from qse_hw.rtl_gen.emit.emit import Emitted
from qse_hw.rtl_gen.emit.unit import UnitConfig
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.function import FunctionConfig
from qse_hw.sim.cycle import model
from qse_hw.sim.cycle.stimulus import Stimulus, full_speed, random_runs, random_stalls
from qse_hw.sim.packing import pack
from qse_hw.synth.mutation.scales import (
    SCALES,
    any_scales,
    of_all_sizes,
    one_bit_apart,
    one_bit_left,
    thin_scales,
    within,
)

ANYTHING = 2
"""An output that is not compared: a payload without valid, every output during reset."""
TAIL = 20
"""Cycles after the last beat; more than any latency."""

DISTANT = 100_000
"""Number of inputs at all distances from decisions, where not every pattern is sent or there are many scales."""
STALLED = 60
"""Beats under stalls for each scale of :data:`DIRECTED_BEATS`."""

Rows = npt.NDArray[np.uint8]


DIRECTED_BEATS: dict[str, list[dict[str, int]]] = read_json(
    Path(__file__).with_name("directed_beats.json"), "Directed beats"
)
"""Beats, found by solvers, that kill mutants which nothing else kills; by unit label; ports as in ``survivors``."""


@singledispatch
def stimuli(config: UnitConfig, rng: np.random.Generator) -> list[list[Stimulus]]:
    """Programs, short ones first; each is a list of stimuli, with a reset between them.

    Raises:
        InputError: if it is none of encoder, decoder and function.
    """
    raise InputError(f"Unit must be encoder, decoder or function, not {config.unit}")


@stimuli.register
def _(config: DecoderConfig, rng: np.random.Generator) -> list[list[Stimulus]]:
    codes = rng.permutation(np.tile(np.arange(1 << config.format.bits), 2))
    return [_in_all_ways(_beats(codes, config.lanes, config.format.bits), rng)]


@stimuli.register
def _(config: FunctionConfig, rng: np.random.Generator) -> list[list[Stimulus]]:
    lanes, width = config.lanes, config.input.width
    every = rng.permutation(config.patterns())
    _, outside = config.expected(every)
    some = rng.permutation(np.concatenate([every[:1000], every[outside][:200]]))
    return [
        _in_all_ways(_beats(some, lanes, width), rng),
        [_each_by_itself(_beats(every, lanes, width))],
        [_each_by_itself(_beats(np.sort(every), lanes, width))],
    ]


@stimuli.register
def _(config: EncoderConfig, rng: np.random.Generator) -> list[list[Stimulus]]:
    lanes, width = config.lanes, config.input.width
    first = config.scale or config.default_runtime_scale()

    def beats(patterns: npt.NDArray[Any], limit: int) -> Rows:
        return _beats(rng.permutation(patterns)[: limit * lanes], lanes, width)

    def near(scale: Scale) -> npt.NDArray[np.uint32]:
        return around_decisions(config.format, config.input, scale)

    vectors = config.vectors()
    every = vectors["input_bits"]
    zeros, saturated = every[vectors["codes"] == config.format.zero_code], every[vectors["saturated"]]
    nans = every[vectors["nan"]]
    if config.input.is_float and width > 16:  # NaNs with a single fraction bit, which the vectors lack
        infinity = ((1 << config.input.exponent_bits) - 1) << config.input.fraction_bits
        single = infinity | 1 << np.arange(config.input.fraction_bits)
        every = np.concatenate([every, np.tile(np.r_[single, single | 1 << (width - 1)], lanes)]).astype(np.uint32)
    # near decisions few values saturate and few are NaN or zero, which has logic of its own
    decisions = [near(scale) for scale in ((first,) if config.scale is not None else (first, thin_scales(first)[0]))]
    mixed = rng.permutation(
        np.concatenate(
            [
                beats(np.concatenate(decisions), 1000),
                *(beats(patterns, 300) for patterns in (every, zeros, saturated, nans)),
            ]
        )
    )

    def distant(patterns: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        return _at_all_distances(
            rng.choice(patterns, DISTANT if config.scale else DISTANT // SCALES), config.input, rng
        )

    directed = _directed(config)
    if config.scale is not None:
        every = np.concatenate([every, *directed.values()])
        programs = [_in_all_ways(mixed, rng, config=config), [_each_by_itself(beats(every, len(every)))]]
        return programs if width <= 16 else [*programs, [_each_by_itself(_beats(distant(decisions[0]), lanes, width))]]
    scales = [first, *any_scales(first, rng)]
    mostly = [*scales, thin_scales(first)[0]]
    often = np.r_[0.4, np.full(len(scales) - 1, 0.2 / (len(scales) - 1)), 0.4]

    def anytime(cycles: int) -> dict[str, npt.NDArray[Any]]:
        return _ports(mostly, rng.choice(len(mostly), cycles, p=often))

    def own(scales: Sequence[Scale], parts: Sequence[Rows]) -> Stimulus:
        """Each scale with its own inputs, in random order."""
        of_beat = np.repeat(np.arange(len(scales)), [len(part) for part in parts])
        order = rng.permutation(len(of_beat))
        ports = _ports(scales, np.r_[of_beat[order], np.zeros(TAIL, np.intp)])
        return _each_by_itself(np.concatenate(parts)[order], ports)

    def sizes(scale: Scale) -> npt.NDArray[np.uint32]:
        return of_all_sizes(config, scale)

    thin, apart, left = thin_scales(first), one_bit_apart(config, first), one_bit_left(config, first, rng)
    constant = np.zeros(len(every) // lanes + TAIL, np.intp)
    return [
        _in_all_ways(mixed, rng, anytime, config),
        [own(list(apart), [beats(patterns, len(patterns)) for patterns in apart.values()])],
        [own(list(left), [_beats(patterns, lanes, width) for patterns in left.values()])],
        [own(thin, [beats(np.concatenate([rng.choice(near(one), 300), sizes(one)]), 600) for one in thin])],
        [own(scales, [beats(near(one), 500) for one in scales])],
        [own(scales, [beats(sizes(one), 5000) for one in scales])],
        [own(scales, [beats(distant(near(one)), 2000) for one in scales])],
        [own(scales, [beats(distant(sizes(one)), 2000) for one in scales])],
        [_each_by_itself(_beats(every, lanes, width), _ports(scales, constant))],
        *_stalled(directed, lanes, width, rng),
    ]


def _directed(config: EncoderConfig) -> dict[Scale | None, npt.NDArray[np.uint32]]:
    """:data:`DIRECTED_BEATS` of the unit: patterns by scale (None: the unit's constant one), each in every lane."""
    patterns: dict[Scale | None, list[int]] = {}
    for beat in DIRECTED_BEATS.get(config.label, ()):
        bits, scale = config.scale_bits, None
        if config.scale is None:
            scale = Scale(M=beat["scale_m"], k=within(beat["scale_k"], bits), bits=bits)
        patterns.setdefault(scale, []).append(beat["i__payload"])
    return {scale: np.repeat(np.array(some, np.uint32), config.lanes) for scale, some in patterns.items()}


def _stalled(
    directed: Mapping[Scale | None, npt.NDArray[np.uint32]], lanes: int, width: int, rng: np.random.Generator
) -> list[list[Stimulus]]:
    """Each scale's patterns, repeated: with ``clear`` held, and under stalls."""
    programs = []
    for scale, patterns in directed.items():
        assert scale is not None
        rows = _beats(np.tile(patterns, -(-STALLED // len(patterns))), lanes, width)
        cycles = 4 * len(rows)
        ports = _ports([scale], np.zeros(cycles, np.intp))
        clear = {"clear": random_runs(rng, cycles)}
        programs.append([
            _each_by_itself(rows, _ports([scale], np.zeros(len(rows) + TAIL, np.intp))),
            random_stalls(rows, cycles=cycles, seed=int(rng.integers(1 << 30)), ports=ports | clear),
        ])  # fmt: skip
    return programs


def _at_all_distances(
    patterns: npt.NDArray[np.uint32], input: InputType, rng: np.random.Generator
) -> npt.NDArray[np.uint32]:
    """The patterns moved by a distance whose logarithm is uniform, so that products have any low bits."""
    away = np.exp2(rng.uniform(0, input.fraction_bits, len(patterns))).astype(np.int64)
    moved = patterns + away * rng.choice((-1, 1), len(patterns))
    patterns_there: npt.NDArray[np.uint32] = (moved % (1 << input.width)).astype(np.uint32)
    return patterns_there


def program(emitted: Emitted, given: Sequence[Stimulus], rng: np.random.Generator) -> Rows:
    """Inputs and expected outputs, (cycles, input bits + output bits): 0, 1 or, for outputs, :data:`ANYTHING`.

    Bits are in the order of :func:`pins`. A reset of three cycles comes first, one of one cycle before every other
    stimulus. During resets all inputs are random, except ``clear``, which is low in every other reset, so that only
    the reset clears. The input's payload is random without valid.
    """
    unit, (inputs, outputs) = model(emitted.config), pins(emitted)
    count = {side: sum(widths.values()) for side, widths in (("in", inputs), ("out", outputs))}
    rows: list[Rows] = []
    for number, stimulus in enumerate(given):
        noise = {name: rng.integers(0, 2, (1 if number else 3, width), np.uint8) for name, width in inputs.items()}
        noise["rst"][:], noise["clear"][:] = 1, number % 2
        reset = np.hstack([*noise.values()])
        rows.append(np.hstack([reset, np.full((len(reset), count["out"]), ANYTHING, np.uint8)]))
        trace = unit.run(stimulus)
        driven = {"rst": np.zeros((stimulus.cycles, 1), np.uint8)}
        driven |= {name: _bits(trace[name], width) for name, width in inputs.items() if name != "rst"}
        other = rng.integers(0, 2, driven["i__payload"].shape, np.uint8)
        driven["i__payload"] = np.where(trace["i__valid"][:, None], driven["i__payload"], other)
        seen = {name: _bits(trace[name], width) for name, width in outputs.items()}
        seen["o__payload"] = np.where(trace["o__valid"][:, None], seen["o__payload"], np.uint8(ANYTHING))
        rows.append(np.hstack([*driven.values(), *seen.values()]))
    return np.concatenate(rows)


def pins(emitted: Emitted) -> tuple[dict[str, int], dict[str, int]]:
    """Widths of inputs, ``rst`` first and without ``clk``, and of outputs, in the order of a program's bits."""
    widths = {
        side: {port["name"]: int(port["width"]) for port in emitted.ports if port["direction"] == side}
        for side in ("input", "output")
    }
    del widths["input"]["clk"]
    return widths["input"], widths["output"]


def _in_all_ways(
    beats: Rows, rng: np.random.Generator, others: Any = None, config: EncoderConfig | None = None
) -> list[Stimulus]:
    """Random stalls with frequent ``clear``; with rare ``clear``, so that the counter fills; full speed.

    Each stops with beats inside; the second one with a counter that has passed its end. Of an encoder, whose
    ``config`` is given, another one stops at the last count before the end, of which every bit is 1: the reset after
    it has to change them all.
    """

    def ports(cycles: int, clear: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[Any]]:
        return {"clear": clear} | (others(cycles) if others is not None else {})

    fast, slow = len(beats), 2 * len(beats)
    seldom = np.isin(np.arange(slow), (slow // 3, 2 * slow // 3))
    ways = [
        random_stalls(beats, cycles=slow, seed=int(rng.integers(1 << 30)), ports=ports(slow, random_runs(rng, slow))),
        random_stalls(beats, cycles=slow, seed=int(rng.integers(1 << 30)), ports=ports(slow, seldom)),
        full_speed(beats, cycles=fast, ports=ports(fast, rng.random(fast) < 0.05)),
    ]

    def never(cycles: int) -> dict[str, npt.NDArray[Any]]:
        return ports(cycles, np.zeros(cycles, np.bool_))

    if config is not None:
        ways.append(_until_full(config, beats, never(fast + TAIL)))
    return [*ways, full_speed(beats[:TAIL], cycles=4 * TAIL, ports=never(4 * TAIL))]


def _until_full(config: EncoderConfig, beats: Rows, ports: Mapping[str, npt.NDArray[Any]]) -> Stimulus:
    """Full speed, until the saturation counter just reaches its largest count, or with all of the beats."""
    unit = model(config)

    def first(count: int) -> Stimulus:
        cycles = count + TAIL
        return full_speed(beats[:count], cycles=cycles, ports={name: values[:cycles] for name, values in ports.items()})

    def last_count(count: int) -> int:
        return int(unit.run(first(count))["saturation_count"][-1])

    return first(bisect_left(range(len(beats)), (1 << config.counter_width) - 1, key=last_count))


def _each_by_itself(beats: Rows, ports: Mapping[str, npt.NDArray[Any]] | None = None) -> Stimulus:
    """Full speed with ``clear`` held, so that the flags are those of the last beat alone."""
    cycles = len(beats) + TAIL
    return full_speed(beats, cycles=cycles, ports={"clear": np.ones(cycles, np.bool_), **(ports or {})})


def _ports(scales: Sequence[Scale], which: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
    return {
        "scale_m": np.array([scale.M for scale in scales])[which],
        "scale_k": np.array([scale.k for scale in scales])[which],
    }


def _beats(values: npt.NDArray[Any], lanes: int, width: int) -> Rows:
    return pack(values[: len(values) // lanes * lanes].reshape(-1, lanes), width)


def _bits(values: npt.NDArray[Any], width: int) -> Rows:
    """(cycles, width), low bit first, of a port's values in a trace."""
    if values.ndim == 1:
        values = values.astype(np.uint64).astype("<u8").view(np.uint8).reshape(-1, 8)
    return np.unpackbits(values, axis=1, count=width, bitorder="little")
