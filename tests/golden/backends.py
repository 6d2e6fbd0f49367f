"""What every fast implementation of :mod:`golden.tensor`'s functions is held against: that module."""

from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from golden import tensor
from golden.scale import Scale
from golden.tables import decode_table
from tests.golden import oracles

FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, -1e-45, 1e-38, 3e38, -3e38]


def equal(found: Tensor, expected: Tensor) -> bool:
    """Same dtype, shape and bits."""
    found = found.cpu()
    if found.dtype != expected.dtype or found.shape != expected.shape:
        return False
    bits = [values.contiguous().flatten().view(torch.uint8) for values in (found, expected)]
    return torch.equal(*bits)


def inputs(name: str, dtype: torch.dtype, scale: Scale, rng: np.random.Generator, count: int) -> Tensor:
    """All patterns of a 16-bit dtype; else every decision edge and its neighbours, special and random values."""
    if dtype in (torch.bfloat16, torch.float16, torch.int16):
        return torch.from_numpy(np.arange(1 << 16).astype(np.uint16).view(np.int16)).view(dtype)
    if not dtype.is_floating_point:
        info = torch.iinfo(dtype)
        return torch.from_numpy(rng.integers(info.min, info.max, count, endpoint=True)).to(dtype)
    oracle = oracles.ORACLES[name]
    if dtype == torch.float64:
        points = np.array([float(threshold / scale.reciprocal) for threshold in oracle.thresholds])
        beside = [np.nextafter(points, side) for side in (-np.inf, np.inf)]
        edges = np.concatenate([points, *beside, [5e-324, -5e-324, 1e308]])
    else:
        edges = oracles.fp32_edges(oracle, scale).view(np.float32)
    values = np.concatenate([rng.normal(0, 60, count) * float(scale.step), SPECIAL])
    return torch.cat([torch.from_numpy(edges), torch.from_numpy(values).to(dtype)])


def check_floats(
    backend: ModuleType, name: str, dtype: torch.dtype, scale: Scale, rng: np.random.Generator,
    *, device: str, count: int,
) -> None:  # fmt: skip
    """Codes, counts, values and values' values of floating inputs."""
    format = oracles.make(name)
    x = inputs(name, dtype, scale, rng, count)
    codes = tensor.quantise(x, format, scale)
    assert equal(backend.quantise(x.to(device), format, scale), codes)
    found, counts = backend.quantise_histogram(x.to(device), format, scale)
    expected = tensor.quantise_histogram(x, format, scale)
    assert equal(found, expected[0])
    assert equal(counts, expected[1])
    assert int(counts[:-2].sum()) == x.numel()
    assert equal(backend.fake_quantise(x.to(device), format, scale), tensor.fake_quantise(x, format, scale))


def check_integers(
    backend: ModuleType, name: str, dtype: torch.dtype, rng: np.random.Generator, *, device: str, count: int
) -> None:
    """Codes of integers, at an implied exponent."""
    format, scale = oracles.make(name), oracles.scale_for("fp32", 16)
    x = inputs(name, dtype, scale, rng, count)
    exponent = 3 - torch.iinfo(dtype).bits
    expected = tensor.quantise(x, format, scale, exponent=exponent)
    assert expected.unique().numel() > min(100, format.last_index() // 8)  # the exponent reaches much of the format
    assert equal(backend.quantise(x.to(device), format, scale, exponent=exponent), expected)


def assigned_codes(name: str) -> Tensor:
    """Every code that decoders accept, in the dtype of codes."""
    format = oracles.make(name)
    patterns = np.flatnonzero(decode_table(format)[1])
    half = 1 << (format.bits - 1)
    codes = np.where((format.kind == "twos-complement") & (patterns >= half), patterns - 2 * half, patterns)
    return torch.from_numpy(codes).to(tensor.torch_code_dtype(format))


def check_decoding(backend: ModuleType, name: str, scale: Scale, *, device: str) -> None:
    """Values of every code that decoders accept, in every dtype."""
    format, codes = oracles.make(name), assigned_codes(name)
    for dtype in FLOATS:
        expected = tensor.dequantise(codes, format, scale, dtype=dtype)
        assert equal(backend.dequantise(codes.to(device), format, scale, dtype=dtype), expected)


def check_linear(backend: ModuleType, name: str, rows: int, inputs: int, outputs: int, *, device: str) -> None:
    """Sums of random codes, redundant ones among them, times weights that include -128."""
    format, codes = oracles.make(name), assigned_codes(name)
    draw = torch.Generator().manual_seed(rows * inputs * outputs)
    x = codes[torch.randint(len(codes), (rows, inputs), generator=draw)]
    weight = torch.randint(-128, 128, (outputs, inputs), generator=draw).to(torch.int8)
    expected = tensor.linear(x, weight, format)
    assert equal(backend.linear(x.to(device), weight.to(device), format), expected)
