"""What every fast implementation of :mod:`qse_hw.golden.quantize.tensor`'s functions is held against: that module."""

from types import ModuleType

import ml_dtypes
import numpy as np
import torch
from torch import Tensor

from qse_hw.golden.formats import scalar
from qse_hw.golden.formats.codes import to_bits
from qse_hw.golden.formats.inputs import InputType
from qse_hw.golden.formats.scale import MAX_LOG2_STEP, Scale
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.formats.tables import decode_table, segment_table
from qse_hw.golden.quantize import array, tensor
from tests.golden.formats import oracles

FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, -1e-45, 1e-38, 3e38, -3e38]


def equal(result: Tensor, expected: Tensor) -> bool:
    """Same dtype, shape and bits."""
    result = result.cpu()
    if result.dtype != expected.dtype or result.shape != expected.shape:
        return False
    bits = [values.contiguous().flatten().view(torch.uint8) for values in (result, expected)]
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
    codes = tensor.quantize(x, format, scale)
    assert equal(backend.quantize(x.to(device), format, scale), codes)
    result, counts = backend.quantize_histogram(x.to(device), format, scale)
    expected = tensor.quantize_histogram(x, format, scale)
    assert equal(result, expected[0])
    assert equal(counts, expected[1])
    assert int(counts[:-2].sum()) == x.numel()
    assert equal(backend.fake_quantize(x.to(device), format, scale), tensor.fake_quantize(x, format, scale))


def check_integers(
    backend: ModuleType, name: str, dtype: torch.dtype, rng: np.random.Generator, *, device: str, count: int
) -> None:
    """Codes of integers, at an implied exponent."""
    format, scale = oracles.make(name), oracles.scale_for("fp32", 16)
    x = inputs(name, dtype, scale, rng, count)
    exponent = 3 - torch.iinfo(dtype).bits
    expected = tensor.quantize(x, format, scale, exponent=exponent)
    assert expected.unique().numel() > min(100, format.last_index() // 8)  # the exponent reaches much of the format
    assert equal(backend.quantize(x.to(device), format, scale, exponent=exponent), expected)


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
        expected = tensor.dequantize(codes, format, scale, dtype=dtype)
        assert equal(backend.dequantize(codes.to(device), format, scale, dtype=dtype), expected)


def check_linear(backend: ModuleType, name: str, rows: int, inputs: int, outputs: int, *, device: str) -> None:
    """Sums of random codes, redundant ones among them, times weights that include -128."""
    format, codes = oracles.make(name), assigned_codes(name)
    draw = torch.Generator().manual_seed(rows * inputs * outputs)
    x = codes[torch.randint(len(codes), (rows, inputs), generator=draw)]
    weight = torch.randint(-128, 128, (outputs, inputs), generator=draw).to(torch.int8)
    expected = tensor.linear(x, weight, format)
    assert equal(backend.linear(x.to(device), weight.to(device), format), expected)


def extreme_scales(bits: int) -> list[Scale]:
    """With the smallest and the largest M of ``bits`` bits: the smallest steps that there are, and the largest."""
    low, high = 1 << (bits - 1), (1 << bits) - 1
    ends = [(low, bits - 1), (high, bits if bits > 1 else 0)]  # M, and the least k with M <= 2**k
    small = [Scale(M=M, k=k - MAX_LOG2_STEP, bits=bits) for M, k in ends]
    return [*small, *(Scale(M=M, k=M.bit_length() - 1 + MAX_LOG2_STEP, bits=bits) for M in (low, high))]


def all_magnitudes(dtype: torch.dtype, scale: Scale) -> Tensor:
    """Values of both signs over the dtype's whole range, where products with the scale underflow, too; 0, inf, NaN."""
    bits = torch.finfo(dtype).bits
    fraction = {torch.float64: 52, torch.float32: 23, torch.float16: 10, torch.bfloat16: 7}[dtype]
    top = (1 << (bits - 1)) - (1 << fraction)  # infinity
    middle = 1 << (fraction - 1)
    first = [0, 1, 2, 3, middle - 1, middle, (1 << fraction) - 1]  # zero and subnormals
    every = max(1, (top >> fraction) // 97)
    normal = [
        exponent << fraction | f
        for exponent in {*range(1, top >> fraction, every), (top >> fraction) - 1}
        for f in (0, 1, middle, (1 << fraction) - 1)
    ]
    with np.errstate(over="ignore"):
        around = [2.0**n * float(scale.step) for n in (*range(-152, -144), -127, -126, *range(-12, 13), 124, 127, 128)]
    near = torch.tensor(around, dtype=torch.float64).to(dtype)
    patterns = np.array([*first, *normal, top, top + 1, top + middle], np.int64).astype(f"i{bits // 8}")
    positive = torch.cat([torch.from_numpy(patterns).view(dtype), near])
    return torch.cat([positive, -positive])


def as_numpy(x: Tensor) -> np.ndarray:
    """The same bits; bfloat16 by ml_dtypes."""
    return x.view(torch.int16).numpy().view(ml_dtypes.bfloat16) if x.dtype == torch.bfloat16 else x.numpy()


def scalar_codes(x: Tensor, format: SegmentedFormat, scale: Scale, exponent: int = 0) -> list[scalar.Quantized]:
    """By :mod:`qse_hw.golden.formats.scalar`, from the bits: of ``x``, floating point or (times ``2**exponent``)
    integers.
    """
    bits = 8 * x.itemsize
    widths = {torch.float64: 11, torch.float32: 8, torch.bfloat16: 8, torch.float16: 5}
    type = InputType(name="x", width=bits, exponent_bits=widths.get(x.dtype, 0), exponent=exponent)
    integers = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    patterns = x.view(integers[x.itemsize]).tolist()
    return [scalar.quantize(pattern % (1 << bits), type, format, scale) for pattern in patterns]


def check_equal_to_array(
    backend: ModuleType, x: Tensor, format: SegmentedFormat, scale: Scale, *, device: str
) -> None:
    """Codes, counts and values of floating ``x``, as :mod:`qse_hw.golden.quantize.array` has them."""
    result = array.quantize_flags(as_numpy(x), format, scale)
    codes = torch.from_numpy(result.codes).to(tensor.torch_code_dtype(format))
    numbers = segment_table(format)[to_bits(result.codes, format)]
    counts = np.bincount(numbers, minlength=len(format.segments)).tolist()
    assert equal(backend.quantize(x.to(device), format, scale), codes)
    mine, counted = backend.quantize_histogram(x.to(device), format, scale)
    assert equal(mine, codes)
    assert counted.tolist() == [*counts, int(result.saturated.sum()), int(result.nan.sum())]
    with np.errstate(over="ignore"):
        values = array.dequantize(result.codes, format, scale).astype(as_numpy(x).dtype)
    expected, nan = from_numpy(values, x.dtype), x.isnan()
    assert equal(backend.fake_quantize(x.to(device), format, scale, nan_to_zero=True), expected)
    kept = backend.fake_quantize(x.to(device), format, scale).cpu()
    assert equal(kept.isnan(), nan)
    assert equal(kept[~nan], expected[~nan])


def from_numpy(values: np.ndarray, dtype: torch.dtype) -> Tensor:
    """The same bits; bfloat16 by ml_dtypes."""
    return torch.from_numpy(values.view(np.int16)).view(dtype) if dtype == torch.bfloat16 else torch.from_numpy(values)
