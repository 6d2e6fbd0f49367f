"""Functional coverage: the cases of a unit's function, crossed with stalls, that a recorded trace has reached.

A case of an encoder is a segment, a sign, and the value's place between two codes; or saturation, an infinity, NaN. A
case of a decoder is a segment and a sign; or a redundant code, or a code without a value. All input patterns are
classified, so the cases that cannot occur are known by exhaustion.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.scalar import quantize
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.sim.cycle.trace import Trace

Case = tuple[str, ...]

SIGNS = ("+", "-")
ROUNDINGS = ("exact", "below tie", "tie", "above tie")
STALLS = ("none", "input bubble", "output stall", "full")
MAX_WIDTH = 16  # bits of patterns that are classified exhaustively


@dataclass(frozen=True, kw_only=True)
class Cover:
    """The cases of a unit.

    Attributes:
        cases: the cases that can occur, in order.
        table: the index of each input pattern's case, (2**width,) int.
        impossible: the cases that cannot occur, and why.
    """

    cases: tuple[Case, ...]
    table: npt.NDArray[np.intp]
    impossible: Mapping[Case, str]

    def count(self, patterns: npt.NDArray[np.integer], stalls: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
        """Hits of each case crossed with each of :data:`STALLS`, (cases, 4).

        Args:
            patterns: inputs of the beats in order, (beats, lanes).
            stalls: of the beats that left, as :func:`stall_cases` returns them.
        """
        bins = self.table[patterns[: len(stalls)]] * len(STALLS) + stalls[:, None]
        counts: npt.NDArray[np.int64] = np.bincount(bins.reshape(-1), minlength=len(self.cases) * len(STALLS))
        return counts.reshape(-1, len(STALLS))

    def patterns(self, rng: np.random.Generator, each: int) -> npt.NDArray[np.intp]:
        """``each`` patterns of every case, drawn at random, in random order."""
        chosen = [rng.choice(np.flatnonzero(self.table == number), each) for number in range(len(self.cases))]
        return rng.permutation(np.concatenate(chosen))

    def empty(self, counts: npt.NDArray[np.int64]) -> list[str]:
        """The bins without hits, in words."""
        return [
            ", ".join((*case, stall))
            for (case, stall), count in zip(product(self.cases, STALLS), counts.reshape(-1).tolist(), strict=True)
            if not count
        ]


def encoder_cover(format: SegmentedFormat, input: InputType, scale: Scale) -> Cover:
    """The cases of an encoder with a constant scale.

    Raises:
        InputError: for inputs of more than 16 bits, whose patterns are too many to classify.
    """
    if input.width > MAX_WIDTH:
        raise InputError(f"Input of functional coverage must have at most {MAX_WIDTH} bits, not {input.width}")
    segments = [f"segment {number}" for number in range(len(format.segments))]
    cases = [*product(segments, SIGNS, ROUNDINGS), *product(("saturated",), SIGNS)]
    if input.is_float:
        cases += [*product(("infinity",), SIGNS), ("NaN",)]
    case_of = [_encoder_case(bits, format, input, scale) for bits in range(1 << input.width)]

    def reason(case: Case) -> str:
        number = segments.index(case[0]) if case[0] in segments else None
        if number is not None and not format.signed:
            if case[1] == "-" and format.starts[number] >= format.zero_point:
                return "the segment lies above the zero point"
            if case[1] == "+" and format.ends[number] <= format.zero_point:
                return "the segment lies below the zero point"
        return f"none of the {1 << input.width} patterns of {input.name} at {scale} is such a value"

    return _cover(cases, case_of, {case: reason(case) for case in set(cases) - set(case_of)})


def _encoder_case(bits: int, format: SegmentedFormat, input: InputType, scale: Scale) -> Case:
    number = input.decode(bits)
    if number.nan:
        return ("NaN",)
    sign = SIGNS[number.negative]
    if number.infinite:
        return "infinity", sign
    if quantize(bits, input, format, scale).saturated:
        return "saturated", sign
    exponent = number.exponent - scale.k + format.fraction_bits
    position, one = (-1 if number.negative else 1) * number.significand * scale.M, 1  # in fine steps, times ``one``
    if exponent >= 0:
        position <<= exponent
    else:
        one <<= -exponent
    position = abs(position) if format.signed else position + format.zero_point * one
    segment = max(place for place, start in enumerate(format.starts) if start * one <= max(0, position))
    step = one << format.shifts[segment]
    beyond = 2 * ((position - format.starts[segment] * one) % step)
    rounding = 0 if beyond == 0 else 2 if beyond == step else 1 if beyond < step else 3
    return f"segment {segment}", sign, ROUNDINGS[rounding]


def decoder_cover(format: SegmentedFormat) -> Cover:
    """The cases of a decoder."""
    segments = [f"segment {number}" for number in range(len(format.segments))]
    cases = [*product(segments, SIGNS), ("redundant",), ("without a value",)]
    case_of = [_decoder_case(code, format) for code in range(1 << format.bits)]

    def reason(case: Case) -> str:
        if len(case) == 1:
            return f"none of the {1 << format.bits} codes is {case[0]}"
        return f"the segment lies {'above' if case[1] == '-' else 'below'} the zero point"

    return _cover(cases, case_of, {case: reason(case) for case in set(cases) - set(case_of)})


def _decoder_case(code: int, format: SegmentedFormat) -> Case:
    if code not in format.decoded:
        return ("without a value",)
    if code not in format.values:
        return ("redundant",)
    value = format.values[code]
    position = abs(value) if format.signed else value + format.zero_point
    segment = max(place for place, start in enumerate(format.starts) if start <= position)
    return f"segment {segment}", SIGNS[value < 0]


def _cover(cases: list[Case], case_of: list[Case], impossible: Mapping[Case, str]) -> Cover:
    kept = tuple(case for case in cases if case not in impossible)
    numbers = {case: number for number, case in enumerate(kept)}
    table: npt.NDArray[np.intp] = np.array([numbers[case] for case in case_of], np.intp)
    return Cover(cases=kept, table=table, impossible=impossible)


def stall_cases(trace: Trace, capacity: int) -> npt.NDArray[np.intp]:
    """For each beat that left, in order, the index of its stall in :data:`STALLS`.

    Full: it waited at the output while the unit was full and another beat was offered. Output stall: it waited
    otherwise. Input bubble: it did not wait, but there was no beat right before it. None: none of these.

    Args:
        trace: of a unit with streams ``i`` and ``o`` that gives one beat for each, in order.
        capacity: beats that the unit holds when it is full.
    """
    offered, accepted = trace["i__valid"] & ~trace["i__ready"], trace["i__valid"] & trace["i__ready"]
    waits, leaves = trace["o__valid"] & ~trace["o__ready"], trace["o__valid"] & trace["o__ready"]
    held: npt.NDArray[np.int64] = (np.cumsum(accepted) - accepted) - (
        np.cumsum(leaves) - leaves
    )  # at the cycle's beginning
    full = waits & offered & (held == capacity)
    beat: npt.NDArray[np.intp] = (np.cumsum(leaves) - leaves).astype(np.intp)  # index of the beat at the output
    count = int(leaves.sum())

    def any_of(cycles: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        met: npt.NDArray[np.bool_] = np.bincount(beat[cycles], minlength=count + 1)[:count] > 0
        return met

    conditions = [any_of(full), any_of(waits), any_of(~trace["o__valid"])]
    result: npt.NDArray[np.intp] = np.select(conditions, [3, 2, 1], 0).astype(np.intp)
    return result
