"""What bit patterns mean, and rounding to them, against struct, NumPy, ml_dtypes and PyTorch; float8 candidates."""

import struct
from collections.abc import Callable
from fractions import Fraction
from functools import partial

import ml_dtypes
import numpy as np
import torch

from qse_hw.golden.calibration.candidates import float8_levels
from qse_hw.golden.calibration.quantizers import CodebookQuantizer
from qse_hw.golden.calibration.spec import FLOAT8
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.reference.vectors import from_patterns, to_patterns
from tests.oracles.comparison import Comparison, patterns, same

TORCH = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
ML_DTYPES = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16}


def unpacked(bits: int, name: str) -> float:
    """By the standard library's struct; a bfloat16 is the upper half of a float32."""
    if name == "fp16":
        return float(struct.unpack("<e", struct.pack("<H", bits))[0])
    return float(struct.unpack("<f", struct.pack("<I", bits << 16 if name == "bf16" else bits))[0])


def some_fp32() -> np.ndarray:
    """Random patterns, and all around zeros, subnormals, infinities and NaNs."""
    ends = np.array([0, 1 << 23, 0x7F800000, 0x7FC00000, 1 << 31, 0x80800000, 0xFF800000, 0xFFC00000])
    near = (ends[:, None] + np.arange(-3, 4)).reshape(-1) & 0xFFFFFFFF
    return np.concatenate([near, np.random.default_rng(2601).integers(0, 1 << 32, 30000)])


def decoded(name: str) -> Comparison:
    """The scalar model's sign, significand and exponent as a fraction; NaN, infinity and the sign of zero."""
    kind = input_type(name)
    all_bits = (some_fp32() if name == "fp32" else np.arange(1 << 16)).tolist()
    different = 0
    for bits in all_bits:
        number, want = kind.decode(bits), unpacked(bits, name)
        if want != want or abs(want) == float("inf"):
            right = (number.nan, number.infinite) == (want != want, want == want)
        else:
            exact = Fraction(number.significand) * Fraction(2) ** number.exponent
            right = not number.nan and not number.infinite and exact == abs(Fraction(want))
        if want == want:  # struct may change a NaN's sign
            right = right and number.negative == (struct.pack("<d", want)[7] >> 7 == 1)
        different += not right
    return Comparison(oracle="struct", values=len(all_bits), differences=different, unexplained=different)


def as_arrays(name: str) -> Comparison:
    """The array model's values, as float32 patterns; NaNs are compared as such."""
    bits = np.arange(1 << 16, dtype=np.uint32)
    ours = from_patterns(bits, input_type(name)).astype(np.float32)
    in_torch = torch.from_numpy(bits.astype(np.uint16).view(np.int16)).view(TORCH[name]).float().numpy()
    in_numpy = bits.astype(np.uint16).view(ML_DTYPES[name]).astype(np.float32)
    return same("PyTorch, NumPy and ml_dtypes", *((_comparable(ours), _comparable(x)) for x in (in_torch, in_numpy)))


def cast(name: str) -> Comparison:
    """float32 to the type: every upper half with a tail of zero, below, at and above a tie, and full."""
    dropped = 16 if name == "bf16" else 13
    uppers = np.arange(1 << (32 - dropped), dtype=np.uint32)[:, None] << np.uint32(dropped)
    half = 1 << (dropped - 1)
    x = (uppers | np.array([0, half - 1, half, half + 1, 2 * half - 1], np.uint32)).reshape(-1).view(np.float32)
    kind = input_type(name)
    ours = from_patterns(to_patterns(x, kind), kind).astype(np.float32)
    in_torch = torch.from_numpy(x).to(TORCH[name]).float().numpy()
    with np.errstate(over="ignore", invalid="ignore"):
        in_numpy = x.astype(ML_DTYPES[name]).astype(np.float32)
    return same("PyTorch, NumPy and ml_dtypes", *((_comparable(ours), _comparable(y)) for y in (in_torch, in_numpy)))


def float8_levels_by_definition(candidate: str) -> Comparison:
    """Levels from sign, exponent and mantissa; of E4M3 only the last code is NaN, E3M4 has IEEE's infinities."""
    mantissa, bias, last = (3, 7, 0x7E) if candidate == "fp8-e4m3" else (4, 3, 0x6F)
    magnitudes = [
        ((code & (1 << mantissa) - 1) + (1 << mantissa) * (code >> mantissa > 0))
        * 2.0 ** (max(code >> mantissa, 1) - bias - mantissa)
        for code in range(last + 1)
    ]
    want = np.array([*(-m for m in reversed(magnitudes[1:])), *magnitudes], np.float32)
    pairs = [(float8_levels(FLOAT8[candidate])[0], want)]
    if candidate == "fp8-e4m3":
        values = torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn).float().numpy()
        pairs.append((want, np.unique(values[np.isfinite(values)] + np.float32(0))))
    return same("the format's definition" + ", PyTorch" * (candidate == "fp8-e4m3"), *pairs)


def float8_rounding(candidate: str) -> Comparison:
    """Every fp16 within reach, rounded as the candidate does it and as casts do."""
    levels, ties_down = float8_levels(FLOAT8[candidate])
    x = patterns("fp16")
    x = x[np.abs(x) <= levels[-1]].astype(np.float32)
    ours = CodebookQuantizer.nearest(levels, ties_down=ties_down).array(x)
    pairs = [(ours, x.astype(getattr(ml_dtypes, FLOAT8[candidate])).astype(np.float32))]
    if candidate == "fp8-e4m3":
        pairs.append((ours, torch.from_numpy(x).to(torch.float8_e4m3fn).float().numpy()))
    return same("ml_dtypes" + ", PyTorch" * (candidate == "fp8-e4m3"), *pairs)


def _comparable(x: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(x), np.uint32(0x7FC00000), np.ascontiguousarray(x).view(np.uint32))


CHECKS: dict[str, Callable[[], Comparison]] = {
    **{f"decoding {name}": partial(decoded, name) for name in ("fp16", "bf16", "fp32")},
    **{f"decoding all {name}, arrays": partial(as_arrays, name) for name in ("fp16", "bf16")},
    **{f"rounding fp32 to {name}, all ties": partial(cast, name) for name in ("fp16", "bf16")},
    **{f"{name}, levels": partial(float8_levels_by_definition, name) for name in FLOAT8},
    **{f"{name}, rounding all fp16 within reach": partial(float8_rounding, name) for name in FLOAT8},
}
