"""The scoreboard: compares what the monitors recorded with golden. It needs no simulator."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.formats.tables import decode_table
from qse_hw.golden.reference.vectors import expected
from qse_hw.sim.packing import pack, unpack

Packed = npt.NDArray[np.uint8]


class Expected(NamedTuple):
    """The expected outputs for accepted input beats: packed beats, and totals for the status outputs."""

    codes: Packed
    values: Packed
    saturated: int
    nan: int


def predict(
    inputs: Packed, scales: Sequence[tuple[int, ...]], format: SegmentedFormat, input: InputType, lanes: int,
    scale_bits: int, value_width: int,
) -> Expected:
    """Golden's outputs for the packed input beats, the n-th with ``scales[n]`` = (M, k)."""
    codes, values, saturated, nan, begin = [], [], 0, 0, 0
    for (M, k), group in groupby(scales):
        end = begin + sum(1 for _ in group)
        for first in range(begin, end, 1 << 12):
            part = unpack(inputs[first : min(end, first + (1 << 12))], input.width, lanes)
            scale = Scale(M=M % (1 << scale_bits), k=k, bits=scale_bits)
            vectors = expected(part, format, input, scale)
            codes.append(pack(vectors.codes, format.bits))
            values.append(pack(decode_table(format)[0].take(vectors.codes), value_width))
            saturated += int(vectors.saturated.sum())
            nan += int(vectors.nan.sum())
        begin = end
    if not codes:
        empty = np.zeros((0, 0), np.uint8)
        return Expected(empty, empty, 0, 0)
    return Expected(np.concatenate(codes), np.concatenate(values), saturated, nan)


class Difference(NamedTuple):
    """Numbers of wrong values, missing beats and extra beats; the first difference in words ("" if there is none)."""

    wrong: int
    missing: int
    extra: int
    first: str


def compare(name: str, got: Packed, want: Packed, width: int, lanes: int) -> Difference:
    """Compare packed beats of ``lanes`` values of ``width`` bits."""
    common = min(len(got), len(want))
    missing, extra = len(want) - common, len(got) - common
    rows = np.flatnonzero((got[:common] != want[:common]).any(axis=1)) if common else np.zeros(0, np.int64)
    first = ""
    wrong = 0
    for begin in range(0, len(rows), 1 << 12):
        part = rows[begin : begin + (1 << 12)]
        have, need = (unpack(np.ascontiguousarray(side[part]), width, lanes) for side in (got, want))
        different = have != need
        wrong += int(different.sum())
        if not first:
            row, lane = (int(n) for n in np.argwhere(different)[0])
            first = f"{name}, beat {part[row]}, lane {lane}: {have[row, lane]:#x}, not {need[row, lane]:#x}"
    if not first and missing:
        first = f"{name}: {len(got)} beats, not {len(want)}"
    elif not first and extra:
        first = f"{name}: {extra} beats more than the {len(want)} expected"
    return Difference(wrong, missing, extra, first)


def describe_flags(got: dict[str, int], want: dict[str, int]) -> list[str]:
    """The status outputs with a wrong value, in words."""
    return [f"{name} is {got[name]}, not {want[name]}" for name in want if got[name] != want[name]]


def as_inputs(x: npt.NDArray[Any], input: InputType, lanes: int) -> Packed:
    """Packed beats of the input patterns ``x`` (any shape), the last beat padded with zeros."""
    flat = x.reshape(-1)
    padded = np.concatenate([flat, np.zeros(-len(flat) % lanes, flat.dtype)])
    return pack(padded.reshape(-1, lanes), input.width)
