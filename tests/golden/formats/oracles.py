"""Independent truth for the golden numerics, written from the format's description; uses nothing of ``golden``'s logic.

An :class:`Oracle` is a sorted list of (value in units of s, code), and rounds to the nearest value with Fractions.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

import ml_dtypes
import numpy as np

from qse_hw.golden.formats.presets import format_from_json, load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.formats.segmented import SegmentedFormat


@dataclass(frozen=True)
class Oracle:
    """``up``: ties go up (offset formats), else away from zero. ``low``/``high``: what lies beyond saturates."""

    points: tuple[tuple[Fraction, int], ...]
    up: bool
    low: Fraction  # up: the first value that does not saturate; else the last that does
    high: Fraction  # the first value that saturates
    exact_ends: frozenset[Fraction] = field(default=frozenset())  # magnitudes above which nothing rounds down

    def quantize(self, u: Fraction) -> tuple[int, bool]:
        """Code of ``u`` (units of s), and whether it saturated."""
        if u >= self.high:
            return self.points[-1][1], True
        if u < self.low or (u == self.low and not self.up):
            return self.points[0][1], True
        right = bisect_left(self.points, (u, -1))
        candidates = self.points[max(0, right - 1) : right + 1]
        for value, code in candidates:
            if value == u:
                return code, False
        if len(candidates) == 2:
            (below, code_below), (above, code_above) = candidates
            if below in self.exact_ends:
                return code_above, False
            if not self.up and -above in self.exact_ends:
                return code_below, False
            distance = (u - below) - (above - u)
            if distance == 0:
                return (code_above if self.up or u > 0 else code_below), False
            return (code_above if distance > 0 else code_below), False
        return candidates[0][1], False  # within half a step of an end

    @property
    def thresholds(self) -> list[Fraction]:
        """Where the decision changes."""
        inner = [(a[0] + b[0]) / 2 for a, b in zip(self.points, self.points[1:], strict=False)]
        ends = [*self.exact_ends, *(() if self.up else (-end for end in self.exact_ends))]
        return sorted({*inner, *ends, self.low, self.high, Fraction(0)})

    @property
    def values(self) -> dict[int, Fraction]:
        """Value of every canonical code."""
        return {code: value for value, code in self.points}


def signed(magnitudes: dict[int, Fraction], bits: int, last_step: Fraction, exact_ends=()) -> Oracle:
    """Sign-magnitude: ``magnitudes`` maps codes without sign to values; zero has no negative."""
    points = {value: code for code, value in magnitudes.items()}
    assert len(points) == len(magnitudes)
    points |= {-value: code | 1 << (bits - 1) for code, value in magnitudes.items() if value}
    high = max(points) + last_step / 2
    return Oracle(tuple(sorted(points.items())), up=False, low=-high, high=high, exact_ends=frozenset(exact_ends))


def offset(axis: dict[int, Fraction], zero: Fraction, steps: tuple[Fraction, Fraction], exact_ends=()) -> Oracle:
    """Offset: ``axis`` maps codes to values before ``zero`` is subtracted; ``steps`` are the first and the last one."""
    points = tuple(sorted((value - zero, code) for code, value in axis.items()))
    low, high = points[0][0] - steps[0] / 2, points[-1][0] + steps[1] / 2
    return Oracle(points, up=True, low=low, high=high, exact_ends=frozenset(end - zero for end in exact_ends))


def twos(bits: int, narrow: bool = False, step: Fraction = Fraction(1)) -> Oracle:
    """Two's complement."""
    half = 1 << (bits - 1)
    values = range(-half + narrow, half)
    points = tuple((value * step, value % (2 * half)) for value in values)
    high = (half - Fraction(1, 2)) * step
    return Oracle(points, up=False, low=(values[0] - Fraction(1, 2)) * step, high=high)


def int8_asym(zero_point: int) -> Oracle:
    return offset({code: Fraction(code) for code in range(256)}, Fraction(zero_point), (Fraction(1), Fraction(1)))


def se8(L: int) -> Oracle:
    K = 4 * L
    magnitudes = {64 | data: Fraction(data, 4) for data in range(K)}  # SE=1, data < K
    magnitudes |= {data: Fraction(L + data) for data in range(64)}  # SE=0
    magnitudes |= {64 | data: Fraction(L + 64 + 4 * (data - K)) for data in range(K, 64)}  # SE=1, data >= K
    return signed(magnitudes, 8, Fraction(4))


def se8_silu(K: int, zero_point: int, f: int, g: int) -> Oracle:
    fine = Fraction(1, 2**f)
    axis = {128 | data: data * fine for data in range(K)}
    axis |= {data: K * fine + data for data in range(128)}
    axis |= {128 | data: K * fine + 128 + 2**g * (data - K) for data in range(K, 128)}
    return offset(axis, zero_point * fine, (fine, Fraction(2**g)))


def se9_paper() -> Oracle:
    magnitudes = {m: Fraction(m, 4) for m in range(64)}
    magnitudes |= {64 + m: Fraction(16 + m) for m in range(128)}
    magnitudes |= {192 + m: Fraction(143 + 4 * m) for m in range(1, 64)}  # m = 0 is 143 again: the standard code wins
    return signed(magnitudes, 9, Fraction(4), exact_ends=[Fraction(63, 4)])


def from_document(document: dict) -> Oracle:
    """The oracle of a user's JSON format."""
    axis, start, code, ends = {}, Fraction(0), 0, []
    for segment in document["segments"]:
        step = Fraction(2) ** segment["log2_step"]
        code = segment.get("first_code", code)
        for _ in range(segment["codes"]):
            axis[code] = start
            start, code = start + step, code + 1
        if segment.get("exact_end"):
            ends.append(start - step)
    steps = [Fraction(2) ** segment["log2_step"] for segment in document["segments"]]
    if document["kind"] == "sign-magnitude":
        return signed(axis, document["bits"], steps[-1], ends)
    if document["kind"] == "offset":
        return offset(axis, document["zero_point"] * min(steps), (steps[0], steps[-1]), ends)
    return twos(document["bits"], document.get("narrow_range", False), steps[0])


def published_se9(x: np.ndarray, s: float) -> np.ndarray:
    """The authors' published simulation, in float64 (exact if s is a power of two)."""
    magnitude = np.abs(x.astype(np.float64))

    def half_away(ratio):
        return np.floor(ratio + 0.5)  # of a non-negative ratio

    fine = np.minimum(half_away(magnitude / (s / 4)), 63) * (s / 4)
    standard = np.clip(half_away(magnitude / s), 16, 143) * s
    coarse = 143 * s + 4 * s * np.clip(half_away((magnitude - 143 * s) / (4 * s)), 0, 63)
    y = np.where(magnitude <= 15.75 * s, fine, np.where(magnitude <= 143 * s, standard, coarse))
    return np.copysign(y, x)


def formula_se8(u: Fraction, L: int, f: int = 2, g: int = 2) -> tuple[int, int, int, bool]:
    """(segment, code, decoded magnitude in fine steps, saturated): the contract's formulas, word for word."""
    N, K = 64, L * 2**f
    C, H = 64 - K, L + 64
    T = (abs(u) * 2 ** (f + 1)).__floor__()
    if T + 1 < 2 * K:
        code = (T + 1) >> 1
        return 0, code, code, False
    if T + 2**f < H * 2 ** (f + 1):
        code = ((T + 2**f) >> (f + 1)) - L
        assert 0 <= code < N
        return 1, code, (L + code) << f, False
    code = (T + 2 ** (f + g) - H * 2 ** (f + 1)) >> (f + g + 1)
    saturated = code > C - 1
    code = min(code, C - 1)
    return 2, code, (H + code * 2**g) << f, saturated


DOCUMENTS = {
    "five": {
        "name": "five",
        "bits": 8,
        "kind": "offset",
        "zero_point": 20,
        "segments": [
            {"codes": 48, "log2_step": -2, "first_code": 200},
            {"codes": 80, "log2_step": -1, "first_code": 0},
            {"codes": 64, "log2_step": 0, "first_code": 80},
            {"codes": 40, "log2_step": 1, "first_code": 144},
            {"codes": 10, "log2_step": 4, "first_code": 184},
        ],
    },
    "coarse-fine-coarse": {  # a SiLU's two densities: its floor and zero
        "name": "coarse-fine-coarse",
        "bits": 8,
        "kind": "offset",
        "zero_point": 75,
        "segments": [
            {"codes": 3, "log2_step": 1},
            {"codes": 100, "log2_step": -3},
            {"codes": 53, "log2_step": 0},
            {"codes": 60, "log2_step": -1},
            {"codes": 40, "log2_step": 2},
        ],
    },
    "eight": {
        "name": "eight",
        "bits": 8,
        "kind": "sign-magnitude",
        "segments": [{"codes": 7 + 2 * i, "log2_step": step} for i, step in enumerate((-1, -3, 0, 3, -2, 1, -3, 2))],
    },
    "sticky-offset": {
        "name": "sticky-offset",
        "bits": 7,
        "kind": "offset",
        "zero_point": 40,
        "segments": [
            {"codes": 8, "log2_step": 1, "exact_end": True},
            {"codes": 60, "log2_step": -1, "exact_end": True},
            {"codes": 20, "log2_step": 3},
        ],
        "aliases": [[127, 0], [126, 40]],
    },
    "sticky-signed": {
        "name": "sticky-signed",
        "bits": 6,
        "kind": "sign-magnitude",
        "segments": [
            {"codes": 2, "log2_step": 2, "exact_end": True, "first_code": 30},
            {"codes": 5, "log2_step": 4, "exact_end": True, "first_code": 3},
            {"codes": 9, "log2_step": 2, "first_code": 10},
        ],
        "aliases": [[0, 30]],
    },
    "sticky-zero": {  # an exact end at 0: however small, a positive value is one fine step up
        "name": "sticky-zero",
        "bits": 6,
        "kind": "offset",
        "zero_point": 15,
        "segments": [
            {"codes": 16, "log2_step": -2, "exact_end": True},
            {"codes": 40, "log2_step": 0},
        ],
    },
    "sticky-zero-within": {
        "name": "sticky-zero-within",
        "bits": 5,
        "kind": "offset",
        "zero_point": 16,
        "segments": [
            {"codes": 3, "log2_step": 1, "first_code": 20},
            {"codes": 5, "log2_step": -1, "first_code": 0, "exact_end": True},
            {"codes": 6, "log2_step": -1, "first_code": 5},
            {"codes": 7, "log2_step": 3, "first_code": 11},
        ],
    },
    "int5": {
        "name": "int5",
        "bits": 5,
        "kind": "twos-complement",
        "narrow_range": True,
        "segments": [{"codes": 16, "log2_step": 2}],
    },
    "int12": {"name": "int12", "bits": 12, "kind": "twos-complement", "segments": [{"codes": 2048, "log2_step": -4}]},
}

SHIPPED: dict[str, Oracle] = {
    "int8": twos(8),
    "int8:narrow_range=1": twos(8, narrow=True),
    "int8-asym": int8_asym(10),
    "se8": se8(8),
    "se8-silu": se8_silu(40, 24, 1, 2),
    "se9-paper": se9_paper(),
}

PARAMETERISED: dict[str, Oracle] = {
    "int8-asym:zero_point=0": int8_asym(0),
    "int8-asym:zero_point=255": int8_asym(255),
    **{f"se8:L={L}": se8(L) for L in range(1, 16)},
    "se8-silu:K=24,zero_point=10,f=2,g=1": se8_silu(24, 10, 2, 1),
    "se8-silu:K=127,zero_point=126,f=3,g=4": se8_silu(127, 126, 3, 4),
    "se8-silu:K=1,zero_point=0,f=1,g=2": se8_silu(1, 0, 1, 2),
    "se8-silu:K=48,zero_point=24,f=0,g=0": se8_silu(48, 24, 0, 0),
}

ORACLES: dict[str, Oracle] = SHIPPED | PARAMETERISED | {name: from_document(d) for name, d in DOCUMENTS.items()}


@cache
def make(name: str) -> SegmentedFormat:
    """golden's format for a name of :data:`ORACLES`."""
    return format_from_json(DOCUMENTS[name]) if name in DOCUMENTS else load_format(name)


NUMPY = {
    "fp32": np.dtype(np.float32),
    "fp16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "s8": np.dtype(np.int8),
    "s16": np.dtype(np.int16),
    "s24": np.dtype(np.int32),
    "s32": np.dtype(np.int32),
}
FLOAT_STEPS = {1: 0.031, 8: 0.0203, 16: 0.0176, 20: 0.0111}  # scale bits: s, of layer 0..2 of the real model


def scale_for(input_name: str, bits: int) -> Scale:
    """A scale at which inputs of the type reach every part of the formats."""
    step = FLOAT_STEPS[bits]
    if input_name.startswith("s"):
        step *= 2.0 ** (int(input_name[1:]) - 3)
    return Scale.from_step(step, bits)


def patterns_to_values(patterns: np.ndarray, input_name: str) -> np.ndarray:
    """Bit patterns (uint32) as an array of the type's dtype."""
    dtype = NUMPY[input_name]
    if input_name == "s24":
        return ((patterns.astype(np.int64) ^ 0x800000) - 0x800000).astype(np.int32)
    return patterns.astype(f"u{dtype.itemsize}").view(dtype)


def patterns_to_numbers(patterns: np.ndarray, input_name: str) -> np.ndarray:
    """As :func:`patterns_to_values`, but bfloat16 as float32, by its definition: its upper half."""
    if input_name == "bf16":
        return (patterns.astype(np.uint32) << 16).view(np.float32)
    return patterns_to_values(patterns, input_name)


def exact(value) -> Fraction:
    """A finite NumPy number as a Fraction."""
    return Fraction(int(value)) if isinstance(value, np.integer) else Fraction(float(value))


def fp32_pattern_below(x: Fraction) -> int:
    """Pattern of the float32 nearest to ``x`` towards zero."""
    with np.errstate(over="ignore"):
        guess = int(np.float32(float(abs(x))).view(np.uint32))
    while guess > 0x7F7FFFFF or Fraction(float(np.uint32(guess).view(np.float32))) > abs(x):
        guess -= 1
    return guess | (x < 0) << 31


def fp32_edges(oracle: Oracle, scale: Scale) -> np.ndarray:
    """Patterns just below, at and above every decision edge."""
    s = Fraction(2) ** scale.k / scale.M
    edges = {
        (fp32_pattern_below(threshold * s) & 0x7FFFFFFF) + ulp | (threshold < 0) << 31
        for threshold in oracle.thresholds
        if threshold
        for ulp in (-1, 0, 1, 2)
    }
    zero_and_ends = {0, 1, 0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0x7F800000, 0x7F800001, 0x7FC00000, 0x7FFFFFFF}
    return np.array(sorted(edges | zero_and_ends | {z | 1 << 31 for z in zero_and_ends}), np.uint32)
