"""``se9-paper`` against the published arithmetic, on all 16-bit inputs and many fp32 ones."""

from collections.abc import Callable
from fractions import Fraction
from functools import partial

import numpy as np
import torch

from golden import array, tensor
from golden.presets import load_format
from golden.scale import Scale
from golden.tables import to_bits
from tests.oracles.comparison import Comparison, reciprocal, same
from tests.oracles.published import soft_edge

ORACLE = "arXiv 2601.09451 re-derived, float64 PyTorch"
STEPS = {1: 2.0**-6, 8: 0.0203, 16: 0.0176, 20: 0.0111}  # scale bits: s; of the real model's layers


def inputs(name: str) -> np.ndarray:
    """All patterns of a 16-bit type, NaN and infinities too; of fp32 a million random ones."""
    bits = np.arange(1 << 16, dtype=np.uint32)
    if name == "fp16":
        return bits.astype(np.uint16).view(np.float16)
    if name == "bf16":
        return (bits << 16).view(np.float32)
    if name == "s16":
        return bits.astype(np.uint16).view(np.int16)
    return np.random.default_rng(2601).integers(0, 1 << 32, 1 << 20, np.uint32).view(np.float32)


def scale(name: str, bits: int) -> Scale:
    """A scale at which inputs of the type reach every segment."""
    return Scale.from_step(STEPS[bits] * (2.0**13 if name == "s16" else 1), bits)


def exact(name: str, bits: int, spec: str = "se9-paper") -> Comparison:
    """Codes and values, in units of s, where float64 is exact (tests.oracles.published says why)."""
    x, format, by = inputs(name), load_format(spec), scale(name, bits)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        units = torch.from_numpy(x.astype(np.float64)) * float(by.reciprocal)
    values, codes = soft_edge(units, 1.0)
    ours = array.quantise(x, format, by)
    in_torch = tensor.quantise(torch.from_numpy(x), format, by).numpy().astype(ours.dtype)
    quarters = array.dequantise_integers(ours, format)
    return same(
        ORACLE,
        (to_bits(ours, format), codes.numpy()),
        (to_bits(in_torch, format), codes.numpy()),
        (quarters.astype(np.float64) * 2.0 ** (2 - format.fraction_bits), (4 * values).numpy()),
    )


def literal(name: str, log2_step: int) -> Comparison:
    """The published formulas as they stand, in x and s, s a power of two: exact."""
    x, format, by = inputs(name), load_format("se9-paper"), Scale.from_step(2.0**log2_step, 1)
    with np.errstate(invalid="ignore"):
        values, codes = soft_edge(torch.from_numpy(x.astype(np.float64)), 2.0**log2_step)
    ours = array.quantise(x, format, by)
    decoded = array.dequantise(ours, format, by).astype(np.float64)
    return same(ORACLE, (to_bits(ours, format), codes.numpy()), (decoded, values.numpy()))


def inexact(name: str, bits: int) -> Comparison:
    """The same with an s that float64 rounds: only values that lie exactly on a threshold may differ."""
    x, format, by = inputs(name), load_format("se9-paper"), scale(name, bits)
    with np.errstate(invalid="ignore"):
        _, theirs = soft_edge(torch.from_numpy(x.astype(np.float64)), float(by.step))
    different = np.flatnonzero(to_bits(array.quantise(x, format, by), format) != theirs.numpy())
    r = reciprocal(by.M, by.k)
    on_threshold = sum(_on_threshold(abs(Fraction(float(v)) * r)) for v in x[different].tolist())
    return Comparison(
        oracle=ORACLE, values=x.size, differences=len(different), ties=on_threshold, predicted=on_threshold,
        note="s rounded to float64; a tie is a value exactly on a threshold",
    )  # fmt: skip


def _on_threshold(u: Fraction) -> bool:
    if u <= Fraction(63, 4):
        return (8 * u).denominator == 1
    return (2 * u).denominator == 1


CHECKS: dict[str, Callable[[], Comparison]] = {
    **{
        f"se9-paper, {name}, scale of {bits} bits": partial(exact, name, bits)
        for name in ("fp16", "bf16", "s16", "fp32")
        for bits in STEPS
    },
    **{
        f"se9-paper, {name}, s = 2**{power}, formulas in x": partial(literal, name, power)
        for name, power in (("fp16", -6), ("fp16", 0), ("bf16", -6), ("s16", 7), ("fp32", -9))
    },
    **{
        f"se9-paper, {name}, s rounded to float64": partial(inexact, name, 16) for name in ("fp16", "bf16", "s16")
    },
}
