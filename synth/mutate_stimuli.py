"""What mutants of encoder and decoder are given, and what must come: inputs and outputs, bit by bit and cycle by cycle.

The stimuli are of the regression's kinds (``tests/sim/cycle``, ``tests/rtl_gen``): inputs around every decision under
random stalls with ``clear`` at any time and seldom, at full speed, every pattern, other scales in every beat, a reset
in the middle. Outputs are those of the cycle models, whose numbers are golden's. ``tests/synth/test_mutate_stimuli.py``
plays the same to the emitted Verilog.
"""

from collections.abc import Mapping, Sequence
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.errors import InputError
from golden.files import read_json
from golden.inputs import InputType
from golden.scale import MAX_LOG2_STEP, Scale
from golden.vectors import around_decisions, to_patterns
from rtl_gen.decision import guard_bits, regions
from rtl_gen.emit import Emitted
from rtl_gen.unit import UnitConfig
from rtl_gen.units.decoder import DecoderConfig
from rtl_gen.units.encoder import EncoderConfig
from sim.cycle import model
from sim.cycle.stimulus import Stimulus, full_speed, random_runs, random_stalls
from sim.packing import pack

ANYTHING = 2
"""An output that is not compared: a payload without valid, any in a cycle of reset."""
TAIL = 20
"""Cycles after the last beat, more than any latency here."""
SCALES = 64
"""Scales that are set at run time, beside the first one."""

MOST_T = 12
"""About the bits of T that decide, plus one."""
DISTANT = 100_000
"""Inputs at all distances from decisions, where not all inputs are played, or scales are many."""
STALLED = 60
"""Beats of each scale at which a solver found something."""
NEAR_FIRST = range(-16, 14)
"""k of the directed scales, beside the first one's."""

Rows = npt.NDArray[np.uint8]


FOUND: dict[str, list[dict[str, int]]] = read_json(Path(__file__).with_name("mutate_found.json"), "Found beats")
"""Beats that solvers found for mutants which nothing else noticed, by the unit's label; ports as in ``survivors``."""


@singledispatch
def stimuli(config: UnitConfig, rng: np.random.Generator) -> list[list[Stimulus]]:
    """Programs, short ones first: each a list of stimuli with a reset between them.

    Raises:
        InputError: if it is neither an encoder nor a decoder.
    """
    raise InputError(f"Unit must be encoder or decoder, not {config.unit}")


@stimuli.register
def _(config: DecoderConfig, rng: np.random.Generator) -> list[list[Stimulus]]:
    codes = rng.permutation(np.tile(np.arange(1 << config.format.bits), 2))
    return [_in_all_ways(_beats(codes, config.lanes, config.format.bits), rng)]


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
    if config.input.is_float and width > 16:  # NaNs of a single bit, which are not among the vectors
        infinity = ((1 << config.input.exponent_bits) - 1) << config.input.fraction_bits
        single = infinity | 1 << np.arange(config.input.fraction_bits)
        every = np.concatenate([every, np.tile(np.r_[single, single | 1 << (width - 1)], lanes)]).astype(np.uint32)
    # few values saturate near decisions, few are NaN, and few are zero, which has a path of its own
    decisions = [near(scale) for scale in ((first,) if config.scale is not None else (first, _thin_scales(first)[0]))]
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

    found = _found(config)
    if config.scale is not None:
        every = np.concatenate([every, *found.values()])
        programs = [_in_all_ways(mixed, rng), [_each_by_itself(beats(every, len(every)))]]
        return programs if width <= 16 else [*programs, [_each_by_itself(_beats(distant(decisions[0]), lanes, width))]]
    scales = [first, *_scales(first, rng)]
    mostly = [*scales, _thin_scales(first)[0]]
    often = np.r_[0.4, np.full(len(scales) - 1, 0.2 / (len(scales) - 1)), 0.4]

    def anytime(cycles: int) -> dict[str, npt.NDArray[Any]]:
        return _ports(mostly, rng.choice(len(mostly), cycles, p=often))

    def own(scales: Sequence[Scale], parts: Sequence[Rows]) -> Stimulus:
        """Each scale with inputs of its own, in random order."""
        of_beat = np.repeat(np.arange(len(scales)), [len(part) for part in parts])
        order = rng.permutation(len(of_beat))
        ports = _ports(scales, np.r_[of_beat[order], np.zeros(TAIL, np.intp)])
        return _each_by_itself(np.concatenate(parts)[order], ports)

    def sizes(scale: Scale) -> npt.NDArray[np.uint32]:
        return _of_all_sizes(config, scale)

    thin, apart, left = _thin_scales(first), _one_bit_apart(config, first), _one_bit_left(config, first, rng)
    constant = np.zeros(len(every) // lanes + TAIL, np.intp)
    return [
        _in_all_ways(mixed, rng, anytime),
        [own(list(apart), [beats(patterns, len(patterns)) for patterns in apart.values()])],
        [own(list(left), [_beats(patterns, lanes, width) for patterns in left.values()])],
        [own(thin, [beats(np.concatenate([rng.choice(near(one), 300), sizes(one)]), 600) for one in thin])],
        [own(scales, [beats(near(one), 500) for one in scales])],
        [own(scales, [beats(sizes(one), 5000) for one in scales])],
        [own(scales, [beats(distant(near(one)), 2000) for one in scales])],
        [own(scales, [beats(distant(sizes(one)), 2000) for one in scales])],
        [_each_by_itself(_beats(every, lanes, width), _ports(scales, constant))],
        *_stalled(found, lanes, width, rng),
    ]


def _found(config: EncoderConfig) -> dict[Scale | None, npt.NDArray[np.uint32]]:
    """:data:`FOUND` of the unit: patterns by scale, None being its own; each in every lane."""
    patterns: dict[Scale | None, list[int]] = {}
    for beat in FOUND.get(config.label, ()):
        bits, scale = config.scale_bits, None
        if config.scale is None:
            scale = Scale(M=beat["scale_m"], k=_within(beat["scale_k"], bits), bits=bits)
        patterns.setdefault(scale, []).append(beat["i__payload"])
    return {scale: np.repeat(np.array(some, np.uint32), config.lanes) for scale, some in patterns.items()}


def _stalled(
    found: Mapping[Scale | None, npt.NDArray[np.uint32]], lanes: int, width: int, rng: np.random.Generator
) -> list[list[Stimulus]]:
    """Each scale's patterns many times, each by itself, and in order under stalls."""
    programs = []
    for scale, patterns in found.items():
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
    """Patterns as often 1 to 2 away from the given ones as 2 to 4, 4 to 8 and so on: products of any low bits."""
    away = np.exp2(rng.uniform(0, input.fraction_bits, len(patterns))).astype(np.int64)
    moved = patterns + away * rng.choice((-1, 1), len(patterns))
    found: npt.NDArray[np.uint32] = (moved % (1 << input.width)).astype(np.uint32)
    return found


def _scales(first: Scale, rng: np.random.Generator) -> list[Scale]:
    """The least and the largest, any at all, and as many near the first one, at which inputs reach more of a format."""
    ends = (first.bits - MAX_LOG2_STEP, first.bits + MAX_LOG2_STEP - 1)
    found = [
        Scale(
            M=int(rng.integers(1 << (first.bits - 1), 1 << first.bits)),
            k=_within(end + more, first.bits),
            bits=first.bits,
        )
        for end in ends
        for more in (-16, -8, -4, -2, -1, 0, 1, 2, 4, 8, 16)
    ]
    for _ in range(SCALES // 2):
        k = int(rng.integers(first.bits - MAX_LOG2_STEP, first.bits + MAX_LOG2_STEP))
        for wanted in (k, first.k + int(rng.integers(-16, 13))):
            M = int(rng.integers(1 << (first.bits - 1), 1 << first.bits))
            found.append(Scale(M=M, k=_within(wanted, first.bits), bits=first.bits))
    return found


def _thin_scales(first: Scale) -> list[Scale]:
    """Scales with few bits in M, around the first one: many inputs hit a decision exactly."""
    odd = [number for number in range(1, 16, 2) if number < 1 << first.bits]
    return [
        Scale(M=number << (first.bits - number.bit_length()), k=_within(first.k + more, first.bits), bits=first.bits)
        for number in odd
        for more in sorted(NEAR_FIRST, key=abs)
    ]


def _one_bit_apart(config: EncoderConfig, first: Scale) -> dict[Scale, npt.NDArray[np.uint32]]:
    """Scales near few bits, with powers of two: products one bit of which, each in turn, decides what is exact."""
    bits, found = first.bits, {}
    near = {(number << (bits - number.bit_length())) + (sign << bit)
            for number in (1, 3, 5, 7) for bit in range(bits - 1) for sign in (1, -1)
            if number < 1 << bits}  # fmt: skip
    for M in sorted(M for M in near if M.bit_length() == bits):
        for more in NEAR_FIRST:
            scale = Scale(M=M, k=_within(first.k + more, bits), bits=bits)
            one = scale.k - bits - config.format.fraction_bits  # log2 of an input of which T is 1 or nearly so
            x = np.exp2(np.arange(one, one + 6, dtype=np.float32))
            found[scale] = np.tile(to_patterns(np.concatenate([x, -x]), config.input), config.lanes)
    return found


def _of_all_sizes(config: EncoderConfig, scale: Scale) -> npt.NDArray[np.uint32]:
    """Inputs at powers of two in steps: of what makes a value too large or too small, one bit is set."""
    exact = np.minimum(float(scale.step) * np.exp2(np.arange(-230, 230)), np.finfo(np.float32).max).astype(np.float32)
    centre = np.unique(to_patterns(np.concatenate([exact, -exact]), config.input)).astype(np.int64)
    near = centre[:, None] + np.arange(-2, 3)
    return (near.reshape(-1) % (1 << config.input.width)).astype(np.uint32)


def _one_bit_left(config: EncoderConfig, first: Scale, rng: np.random.Generator) -> dict[Scale, npt.NDArray[np.uint32]]:
    """Scales with inputs: of the product, a single bit, each in turn, is set below T, so that it decides what is exact.

    ``significand * M = T * 2**shift + 2**bit``: with ``M = m * 2**even``, m odd, the significand is known modulo
    ``2**(shift - even)``. For most M it is too large then, but there are many.
    """
    input, bits = config.input, first.bits
    found: dict[Scale, list[npt.NDArray[np.uint32]]] = {}
    width = input.significand_bits if input.is_float else input.width - 1
    least = 1 << (width - 1) if input.is_float else 1
    M = rng.permutation(np.arange(1 << (bits - 1), 1 << bits))
    even = np.log2(M & -M).astype(np.int64)
    m = (M >> even).astype(np.uint64)
    inverse = m.copy()
    for _ in range(5):  # Newton's, modulo 2**64: of 3 right bits it makes 6, and so on
        inverse *= np.uint64(2) - m * inverse

    def take(significands: npt.NDArray[np.int64], fit: npt.NDArray[np.bool_], shift: int) -> None:
        of_one = config.format.fraction_bits + 1 + shift  # k less the exponent of the significand's last bit
        k = _within(first.k if input.is_float else of_one + input.exponent, bits)
        for n in np.flatnonzero(fit & (significands >= least) & (significands < 1 << width))[:16]:
            x = np.ldexp(np.float32(significands[n]), k - of_one)
            patterns = np.repeat(to_patterns(np.array([x, -x]), input), config.lanes)
            found.setdefault(Scale(M=int(M[n]), k=k, bits=bits), []).append(patterns)

    shortest = bits + (width - 1 if input.is_float else 0)  # of the products, in bits
    for shift in range(max(1, shortest + 1 - MOST_T), width + bits - 1):
        for bit in range(shift):
            modulus = np.int64(1) << np.maximum(shift - even, 0)
            solution = (inverse << np.maximum(bit - even, 0).astype(np.uint64)).astype(np.int64) & (modulus - 1)
            solution += np.maximum(0, -((solution - least) // modulus)) * modulus
            take(solution, bit >= even, shift)
    guard = guard_bits(config.format)
    firsts = [abs(region.first) >> guard for region in regions(config.format) if region.first is not None]
    for T in sorted({T + more for T in firsts for more in (-2, -1, 0, 1)}):
        for shift in range(max(1, shortest - T.bit_length()), width + bits + 1 - T.bit_length()):
            for bit in range(shift):  # a given T: the product is known, and some M divide it
                quotient, rest = np.divmod((T << shift) + (1 << bit), M)
                take(quotient, rest == 0, shift)
    return {scale: np.concatenate(parts) for scale, parts in found.items()}


def _within(k: int, bits: int) -> int:
    return min(max(k, bits - MAX_LOG2_STEP), bits + MAX_LOG2_STEP - 1)


def program(emitted: Emitted, given: Sequence[Stimulus], rng: np.random.Generator) -> Rows:
    """What the stimuli make of the unit: (cycles, input bits + output bits), 0, 1 or, of outputs, :data:`ANYTHING`.

    Bits are those of :func:`pins`. A reset of three cycles comes first; one of one cycle before every other stimulus.
    Noise is on all inputs in a reset, but for ``clear``, which is low in every other one, so that it is the reset that
    clears; and on the input's payload without valid.
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


def _in_all_ways(beats: Rows, rng: np.random.Generator, others: Any = None) -> list[Stimulus]:
    """Stalls with ``clear`` at any time, and with little of it, so that the counter fills; full speed.

    Each stops in the middle, with beats inside; the second with a full counter, so that a reset shows in all its bits.
    """

    def ports(cycles: int, clear: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[Any]]:
        return {"clear": clear} | (others(cycles) if others is not None else {})

    fast, slow = len(beats), 2 * len(beats)
    seldom = np.isin(np.arange(slow), (slow // 3, 2 * slow // 3))
    return [
        random_stalls(beats, cycles=slow, seed=int(rng.integers(1 << 30)), ports=ports(slow, random_runs(rng, slow))),
        random_stalls(beats, cycles=slow, seed=int(rng.integers(1 << 30)), ports=ports(slow, seldom)),
        full_speed(beats, cycles=fast, ports=ports(fast, rng.random(fast) < 0.05)),
        full_speed(beats[:TAIL], cycles=4 * TAIL, ports=ports(4 * TAIL, np.zeros(4 * TAIL, np.bool_))),
    ]


def _each_by_itself(beats: Rows, ports: Mapping[str, npt.NDArray[Any]] | None = None) -> Stimulus:
    """At full speed with ``clear`` held, so that the flags tell of every beat."""
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
