"""``int8`` and ``int8-asym`` against PyTorch's and ONNX Runtime's quantizers, which round ties to even.

All work in float32. PyTorch multiplies by 1/s, ONNX Runtime divides by s. Where that is exact (1/s in float32 and a
product of at most 24 bits: powers of two; fp16 times 13 bits of M; bf16 times 16; s16 times 8) the tie is all that is
left to choose, and the differences must be exactly the ties at which the two rules part. With fp16 and a full 16-bit M
their products round first: a difference must then be a tie, or so near to one that float32 cannot tell.
"""

import warnings
from collections.abc import Callable
from fractions import Fraction
from functools import partial

import numpy as np
import torch

from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.quantize import array
from tests.oracles.comparison import Comparison, patterns, total
from tests.oracles.onnx_model import quantize_linear

ZERO_POINTS = {"int8": 0, "int8-asym:zero_point=10": 10, "int8-asym:zero_point=131": 131}
Quantizer = Callable[[np.ndarray, np.float32, int, int, int], np.ndarray]


def fake_quantize(x: np.ndarray, s: np.float32, zero: int, low: int, high: int) -> np.ndarray:
    """``torch.fake_quantize_per_tensor_affine`` gives values, ``(q - zero) * s`` in float32; this gives q."""
    values = torch.fake_quantize_per_tensor_affine(torch.from_numpy(x), float(s), zero, low, high).numpy()
    q = np.arange(low, high + 1)
    made = (q - zero).astype(np.float32) * s  # ascending and distinct
    rows = np.searchsorted(made, values)
    assert np.array_equal(made[rows], values)
    return q[rows]


def quantize_per_tensor(x: np.ndarray, s: np.float32, zero: int, low: int, high: int) -> np.ndarray:
    """``torch.quantize_per_tensor``."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"torch\.quantize_per_tensor", UserWarning)  # deprecated
        made = torch.quantize_per_tensor(torch.from_numpy(x), float(s), zero, torch.qint8 if low else torch.quint8)
        return made.int_repr().numpy().astype(np.int64)


def ao_quantize(x: np.ndarray, s: np.float32, zero: int, low: int, high: int) -> np.ndarray:
    """``torch.ao.nn.quantized.Quantize``."""
    from torch.ao.nn.quantized import Quantize

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"torch\.quantize_per_tensor", UserWarning)
        made = Quantize(float(s), zero, torch.qint8 if low else torch.quint8)(torch.from_numpy(x))
        return made.int_repr().numpy().astype(np.int64)


def onnx(x: np.ndarray, s: np.float32, zero: int, low: int, high: int) -> np.ndarray:
    """ONNX Runtime's ``QuantizeLinear``."""
    return quantize_linear(x, s, zero, np.int8 if low else np.uint8).astype(np.int64)


ORACLES: dict[str, tuple[Quantizer, bool]] = {  # and whether it rounds after it has added the zero point
    "torch.fake_quantize_per_tensor_affine": (fake_quantize, False),
    "torch.quantize_per_tensor": (quantize_per_tensor, True),
    "torch.ao.nn.quantized.Quantize": (ao_quantize, True),
    "onnxruntime QuantizeLinear": (onnx, False),
}
EXACT = {  # input: scales at which float32 is exact; 1/s is 1 or 3 or many bits times a power of two
    "fp16": (Scale(M=1, k=-6, bits=1), Scale(M=3, k=-4, bits=2), Scale.from_step(0.0175, 13)),
    "bf16": (Scale(M=1, k=-6, bits=1), Scale(M=3, k=-4, bits=2), Scale.from_step(0.0175, 16)),
    "s16": (Scale(M=1, k=7, bits=1), Scale(M=3, k=9, bits=2), Scale.from_step(151.0, 8)),
}
TOGETHER = "the exact differences are the ties at which half to even parts from half away (asymmetric: half up)"
ROUNDED = "their float32 product or quotient rounds before the quantizer does"


def compare(oracle: str, spec: str, x: np.ndarray, by: Scale) -> Comparison:
    """Comparisons where their arithmetic is exact and only ties differ."""
    s = np.float32(float(by.step))
    assert Fraction(float(np.float32(1) / s)) == by.reciprocal, f"1/s must be exact in float32, not {by}"
    ours, theirs = _codes(oracle, spec, x, by)
    parting = np.isin(x, parting_ties(spec, by.reciprocal, sums_first=ORACLES[oracle][1]))
    different = ours != theirs
    return Comparison(
        oracle=oracle, values=x.size, differences=int(different.sum()), ties=int((different & parting).sum()),
        unexplained=int((different != parting).sum()), note=TOGETHER,
    )  # fmt: skip


def compare_rounded(oracle: str, spec: str, x: np.ndarray, by: Scale) -> Comparison:
    """Comparisons where their arithmetic rounds."""
    ours, theirs = _codes(oracle, spec, x, by)
    different = x[ours != theirs]
    u = [Fraction(float(value)) * by.reciprocal for value in different.tolist()]
    ties = sum(v.denominator == 2 for v in u)
    rounding = sum(near_tie(v, ZERO_POINTS[spec]) for v in u) - ties
    return Comparison(
        oracle=oracle, values=x.size, differences=len(u), ties=ties, rounding=rounding,
        unexplained=len(u) - ties - rounding, note=ROUNDED,
    )  # fmt: skip


def parting_ties(spec: str, r: Fraction, *, sums_first: bool) -> np.ndarray:
    """The float64 values at which half to even gives another code than ``spec``; of s = 1/r, found from the codes.

    Args:
        spec: the format; int8 rounds half away, int8-asym half up.
        r: the reciprocal of the scale.
        sums_first: whether even is meant of u + zero point, instead of u.
    """
    zero, (low, high) = ZERO_POINTS[spec], _range(spec)
    ties = []
    for n in range(low - zero - 1, high - zero + 1):
        tie = n + Fraction(1, 2)
        even = n + (n + zero * sums_first) % 2
        other = n if spec == "int8" and tie < 0 else n + 1
        x = tie / r
        clamped = {min(max(q + zero, low), high) for q in (even, other)}
        if len(clamped) == 2 and Fraction(float(x)) == x:
            ties.append(float(x))
    return np.array(ties)


def near_tie(u: Fraction, zero: int) -> bool:
    """Whether float32 may see a tie in u + zero: an error of 2**-22 of u (1/s, product) and 2**-24 of the sum."""
    distance = abs(u - (u // 1 + Fraction(1, 2)))
    return distance <= abs(u) / 2**22 + abs(u + zero) / 2**24


def _range(spec: str) -> tuple[int, int]:
    return (-128, 127) if spec == "int8" else (0, 255)


def _codes(oracle: str, spec: str, x: np.ndarray, by: Scale) -> tuple[np.ndarray, np.ndarray]:
    """Ours and theirs, which are at most one apart."""
    ours = array.quantize(x, load_format(spec), by).astype(np.int64)
    s = np.float32(float(by.step))
    theirs = ORACLES[oracle][0](x.astype(np.float32), s, ZERO_POINTS[spec], *_range(spec))
    return ours, theirs


def finite(name: str) -> np.ndarray:
    """All finite values of a type."""
    x = patterns(name)
    return x[np.isfinite(x)]


def _everything(oracle: str, spec: str) -> Comparison:
    # a division by s is exact only where s is
    scales = {name: some[:1] if oracle.startswith("onnx") else some for name, some in EXACT.items()}
    return total(compare(oracle, spec, finite(name), by) for name, some in scales.items() for by in some)


def _rounded(oracle: str) -> Comparison:
    scales = (Scale.from_step(0.0176), Scale.from_step(0.0111), Scale(M=0xC000, k=10))
    return total(compare_rounded(oracle, spec, finite("fp16"), by) for spec in ZERO_POINTS for by in scales)


CHECKS: dict[str, Callable[[], Comparison]] = {
    **{
        f"{spec}, all finite fp16, bf16, s16, {oracle}": partial(_everything, oracle, spec)
        for oracle in ORACLES
        for spec in ZERO_POINTS
    },
    **{f"int8 and int8-asym, all finite fp16, 16-bit M, {oracle}": partial(_rounded, oracle) for oracle in ORACLES},
}
