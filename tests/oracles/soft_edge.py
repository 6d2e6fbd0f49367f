"""``se9-paper`` against the published arithmetic, on all 16-bit inputs and a million fp32 ones."""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import torch

from qse_hw.golden.formats.codes import to_bits
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.quantize import array, tensor
from tests.oracles.comparison import Comparison, patterns, same, total
from tests.oracles.published import soft_edge

ORACLE = "arXiv 2601.09451 re-derived in float64 PyTorch"
STEPS = {1: 2.0**-6, 8: 0.0203, 16: 0.0176, 20: 0.0111}  # scale bits: s; of the real model's layers


def inputs(name: str) -> np.ndarray:
    """All patterns of a 16-bit type; of fp32 a million random ones."""
    if name == "fp32":
        return np.random.default_rng(2601).integers(0, 1 << 32, 1 << 20, np.uint32).view(np.float32)
    return patterns(name)


def scales(name: str) -> Iterable[Scale]:
    """Scales at which inputs of the type reach every segment."""
    return (Scale.from_step(step * (2.0**13 if name == "s16" else 1), bits) for bits, step in STEPS.items())


def exact(name: str, by: Scale, spec: str = "se9-paper") -> Comparison:
    """Codes and values in units of s, where float64 is exact (tests.oracles.published says why)."""
    x, format = inputs(name), load_format(spec)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        units = torch.from_numpy(x.astype(np.float64)) * float(by.reciprocal)
    values, codes = soft_edge(units, 1.0)
    ours = array.quantize(x, format, by)
    in_torch = tensor.quantize(torch.from_numpy(x), format, by).numpy().astype(ours.dtype)
    decoded = array.dequantize_integers(ours, format) * 2.0**-format.fraction_bits
    return same(
        ORACLE,
        (to_bits(ours, format), codes.numpy()),
        (to_bits(in_torch, format), codes.numpy()),
        (decoded, values.numpy()),
    )


def literal(name: str, s: float) -> Comparison:
    """The published formulas as they stand, in x and s, s a power of two."""
    x, format, by = inputs(name), load_format("se9-paper"), Scale.from_step(s, 1)
    with np.errstate(invalid="ignore"):
        values, codes = soft_edge(torch.from_numpy(x.astype(np.float64)), s)
    ours = array.quantize(x, format, by)
    decoded = array.dequantize(ours, format, by).astype(np.float64)
    return same(ORACLE, (to_bits(ours, format), codes.numpy()), (decoded, values.numpy()))


CHECKS: dict[str, Callable[[], Comparison]] = {
    **{
        f"se9-paper, all of {name}, scales of 1, 8, 16, 20 bits": lambda name=name: total(
            exact(name, by) for by in scales(name)
        )
        for name in ("fp16", "bf16", "s16")
    },
    "se9-paper, random fp32, a scale of 16 bits": partial(exact, "fp32", Scale.from_step(STEPS[16])),
    "se9-paper, formulas in x, s a power of two": lambda: total(
        literal(name, 2.0**power) for name, power in (("fp16", -6), ("fp16", 0), ("bf16", -6), ("s16", 7), ("fp32", -9))
    ),
}
