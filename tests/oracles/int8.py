"""``int8`` and ``int8-asym`` against PyTorch's and ONNX Runtime's quantisers, which round ties to even.

PyTorch multiplies by the float32 reciprocal of the scale, ONNX Runtime divides by the scale. Where both s and 1/s are
exact in float32 and the product fits into 24 bits (a power of two; fp16 times 13 bits of M; bf16 times 16; s16 times 8)
the only freedom left is the tie, and the differences must be exactly those ties at which the two rules part. With a full
16-bit M and fp16, float32 products round: a difference must then be a tie or so near one that float32 cannot tell.
"""

import warnings
from collections.abc import Callable
from fractions import Fraction
from functools import partial

import numpy as np
import torch

from golden import array
from golden.presets import load_format
from golden.scale import Scale
from tests.oracles.comparison import Comparison, all_patterns, is_tie, near_tie, reciprocal
from tests.oracles.onnx_model import quantize_linear

Quantiser = Callable[[np.ndarray, np.float32, int, int, int], np.ndarray]
ZERO_POINTS = {"int8": None, "int8-asym:zero_point=10": 10, "int8-asym:zero_point=131": 131}


def fake_quantize(x: np.ndarray, s: np.float32, zero: int, low: int, high: int) -> np.ndarray:
    """``torch.fake_quantize_per_tensor_affine`` gives values, ``(q - zero) * s`` in float32; this gives q."""
    values = torch.fake_quantize_per_tensor_affine(torch.from_numpy(x), float(s), zero, low, high)
    q = np.arange(low, high + 1)
    made = (q - zero).astype(np.float32) * s  # ascending and distinct
    rows = np.searchsorted(made, values.numpy())
    assert np.array_equal(made[rows], values.numpy())
    return q[rows]


def quantize_per_tensor(x: np.ndarray, s: np.float32, zero: int, low: int, high: int) -> np.ndarray:
    """``torch.quantize_per_tensor``."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.quantize_per_tensor", UserWarning)  # deprecated since 2.13
        made = torch.quantize_per_tensor(torch.from_numpy(x), float(s), zero, torch.qint8 if low else torch.quint8)
        return made.int_repr().numpy().astype(np.int64)


def ao_quantize(x: np.ndarray, s: np.float32, zero: int, low: int, high: int) -> np.ndarray:
    """``torch.ao.nn.quantized.Quantize``."""
    from torch.ao.nn.quantized import Quantize

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.quantize_per_tensor", UserWarning)
        made = Quantize(float(s), zero, torch.qint8 if low else torch.quint8)(torch.from_numpy(x))
        return made.int_repr().numpy().astype(np.int64)


def onnx(x: np.ndarray, s: np.float32, zero: int, low: int, high: int) -> np.ndarray:
    """ONNX Runtime's ``QuantizeLinear``."""
    return quantize_linear(x, s, zero, np.int8 if low else np.uint8).astype(np.int64)


ORACLES: dict[str, Quantiser] = {
    "torch.fake_quantize_per_tensor_affine": fake_quantize,
    "torch.quantize_per_tensor": quantize_per_tensor,
    "torch.ao.nn.quantized.Quantize": ao_quantize,
    "onnxruntime QuantizeLinear": onnx,
}


def compare(oracle: str, spec: str, input_name: str, by: Scale, *, exact: bool = True) -> Comparison:
    """All finite values of a type; differences are explained by Fractions, one by one."""
    x, zero = all_patterns(input_name), ZERO_POINTS[spec] or 0
    low, high = (-128, 127) if spec == "int8" else (0, 255)
    s = np.float32(float(by.step))
    ours = array.quantise(x, load_format(spec), by).astype(np.int64)
    theirs = ORACLES[oracle](x.astype(np.float32), s, zero, low, high)
    different = np.flatnonzero(ours != theirs)
    r = reciprocal(by.M, by.k)
    u = [Fraction(float(value)) * r for value in x[different].tolist()]
    steps = np.abs(ours[different] - theirs[different])
    assert (steps <= 1).all()
    ties = sum(map(is_tie, u))
    if exact:
        assert r == Fraction(float(np.float32(1) / s)), "the oracle's reciprocal must be ours"
        assert by.M == 1 << (by.bits - 1) or not oracle.startswith("onnx"), "it divides by s, which must be exact, too"
        return Comparison(
            oracle=oracle, values=x.size, differences=len(different), ties=ties,
            predicted=parting_ties(x, r, zero, low, high, up=spec != "int8"),
        )  # fmt: skip
    rounding = sum(near_tie(v) and not is_tie(v) for v in u)
    return Comparison(
        oracle=oracle, values=x.size, differences=len(different), ties=ties, predicted=ties, rounding=rounding,
        note="its float32 arithmetic rounds before the quantiser does",
    )  # fmt: skip


def parting_ties(x: np.ndarray, r: Fraction, zero: int, low: int, high: int, *, up: bool) -> int:
    """How many values of x are ties at which half to even and half away (``up``: half up) give other codes.

    Found from the other side: each tie is divided by r and looked up among the values.
    """
    found, counts = np.unique(x.astype(np.float64), return_counts=True)
    number = dict(zip(found.tolist(), counts.tolist(), strict=True))
    parted = 0
    for n in range(low - zero - 1, high - zero + 2):
        tie = n + Fraction(1, 2)  # between n and n + 1
        even = n + n % 2
        other = n + 1 if up or tie > 0 else n
        value = tie / r
        if min(max(even + zero, low), high) != min(max(other + zero, low), high) and Fraction(float(value)) == value:
            parted += number.get(float(value), 0)
    return parted


def plain_scale(step: float, bits: int) -> Scale:
    """The scale nearest to s = ``step`` whose reciprocal float32 finds again in the float32 nearest to s."""
    found = Scale.from_step(step, bits)
    while Fraction(float(np.float32(1) / np.float32(float(found.step)))) != found.reciprocal:
        found = Scale(M=found.M + 1, k=found.k, bits=bits)
    return found


EXACT = {  # input: scales at which float32 is exact
    "fp16": (plain_scale(2.0**-6, 1), plain_scale(0.0176, 13)),
    "bf16": (plain_scale(2.0**-6, 1), plain_scale(0.0176, 16)),
    "s16": (plain_scale(2.0**7, 1), plain_scale(150.0, 8)),
}
CHECKS: dict[str, Callable[[], Comparison]] = {
    **{
        f"{spec}, {input_name}, M = {by.M}": partial(compare, oracle, spec, input_name, by)
        for oracle in ()
        for spec in ZERO_POINTS
        for input_name, scales in EXACT.items()
        for by in scales
    },
}
for _oracle in ORACLES:
    for _spec in ZERO_POINTS:
        for _input, _scales in EXACT.items():
            for _by in _scales[:1] if _oracle.startswith("onnx") else _scales:
                CHECKS[f"{_spec}, {_input}, M = {_by.M}, {_oracle}"] = partial(compare, _oracle, _spec, _input, _by)
        CHECKS[f"{_spec}, fp16, M of 16 bits, {_oracle}"] = partial(
            compare, _oracle, _spec, "fp16", Scale.from_step(0.0176), exact=False
        )
