"""NaN: hardware's zero code where codes are made, NaN where values stand for them; and no integers there."""

import copy
import math

import ml_dtypes
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from qse_hw.golden.calibration.candidates import float8_levels  # noqa: E402
from qse_hw.golden.calibration.quantizers import CodebookQuantizer, GroupedQuantizer, SegmentedQuantizer  # noqa: E402
from qse_hw.golden.calibration.spec import FLOAT8  # noqa: E402
from qse_hw.golden.errors import InputError  # noqa: E402
from qse_hw.golden.formats.presets import PRESETS, load_format  # noqa: E402
from qse_hw.golden.formats.scale import Scale  # noqa: E402
from qse_hw.golden.models.mamba.quantize import FakeQuantize  # noqa: E402
from qse_hw.golden.quantize import array, cpu_kernels, dispatch, operators, tensor  # noqa: E402
from tests.golden.formats import oracles  # noqa: E402
from tests.golden.quantize import backends  # noqa: E402

SCALE = Scale.from_step(0.0203)
FORMATS = [*PRESETS, *oracles.DOCUMENTS]
# both signs, quiet and signalling, with and without a payload, by the dtype's bits
NANS = {
    torch.float32: [0x7FC00000, 0xFFC00000, 0x7F800001, 0x7FFFFFFF, 0xFF812345],
    torch.float16: [0x7E00, 0xFE00, 0x7C01, 0x7FFF, 0xFD12],
    torch.bfloat16: [0x7FC0, 0xFFC0, 0x7F81, 0x7FFF, 0xFFA1],
    torch.float64: [0x7FF8 << 48, 0xFFF8 << 48, (0x7FF0 << 48) + 1, (1 << 63) - 1, 0xFFF0_0000_1234_0000],
}
QUIET = {dtype: patterns[0] for dtype, patterns in NANS.items()}


def nans(dtype: torch.dtype) -> torch.Tensor:
    """NaNs between two numbers, at least a block of them, so that no part of a loop is left out."""
    words = np.array(NANS[dtype] * 500, np.uint64).astype(f"u{dtype.itemsize}").view(f"i{dtype.itemsize}")
    one = torch.ones(1, dtype=dtype)
    return torch.cat([one, torch.from_numpy(words).view(dtype), one])


def bits(x: torch.Tensor) -> set[int]:
    return {*x.numpy().view(f"u{x.itemsize}").tolist()} if x.dtype != torch.bfloat16 else bits(x.view(torch.int16))


@pytest.mark.parametrize("dtype", NANS, ids=str)
@pytest.mark.parametrize("name", FORMATS)
def test_every_implementation_keeps_nan(name, dtype):
    format, x = oracles.make(name), nans(dtype)
    ways = [operators.fake_quantize, tensor.fake_quantize]
    if cpu_kernels.available():
        ways.append(cpu_kernels.fake_quantize)
    for way in ways:
        kept = way(x, format, SCALE)
        assert bits(kept[1:-1]) == {QUIET[dtype]}
        zero = way(x, format, SCALE, nan_to_zero=True)
        assert bits(zero[1:-1]) == {0}
        assert torch.equal(kept[[0, -1]], zero[[0, -1]])
        assert kept[0].isfinite()
    codes = operators.quantize(x, format, SCALE)
    assert {code & ((1 << format.bits) - 1) for code in codes[1:-1].tolist()} == {format.zero_code}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16, ">f4"])
def test_arrays_as_tensors(dtype):
    format = load_format("se8-silu")
    x = np.array([math.nan, 1.0, -math.nan, math.inf]).astype(dtype)
    kept, zero = dispatch.fake_quantize(x, format, SCALE), dispatch.fake_quantize(x, format, SCALE, nan_to_zero=True)
    assert kept.dtype == zero.dtype == x.dtype
    assert np.isnan(kept).tolist() == [True, False, True, False]
    assert zero[[0, 2]].tolist() == [0, 0]
    assert kept[[1, 3]].tolist() == zero[[1, 3]].tolist()
    assert np.isnan(dispatch.fake_quantize(np.array(math.nan, dtype), format, SCALE))
    assert dispatch.fake_quantize(np.zeros((0, 3), dtype), format, SCALE).shape == (0, 3)


@pytest.mark.parametrize("name", ["se8", "se8-silu", "se9-paper", "int8"])
@pytest.mark.parametrize("dtype", NANS, ids=str)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the interpreter's NumPy
def test_triton_as_plain_operations(name, dtype):
    pytest.importorskip("triton")
    from qse_hw.golden.quantize import triton as kernels

    device = "cuda" if torch.cuda.is_available() else "cpu"
    format, x = oracles.make(name), nans(dtype)
    for nan_to_zero in (False, True):
        values = kernels.fake_quantize(x.to(device), format, SCALE, nan_to_zero=nan_to_zero)
        assert backends.equal(values, tensor.fake_quantize(x, format, SCALE, nan_to_zero=nan_to_zero))


@pytest.mark.parametrize("nan_to_zero", [False, True])
@pytest.mark.parametrize("dtype", NANS, ids=str)
def test_gradients(dtype, nan_to_zero):
    x = torch.tensor([0.5, math.nan, 1e3, -math.inf], dtype=dtype, requires_grad=True)
    operators.fake_quantize(x, load_format("se8"), SCALE, nan_to_zero=nan_to_zero).backward(torch.full_like(x, 3.0))
    assert x.grad[[0, 2, 3]].tolist() == [3, 0, 0]
    assert x.grad[1] == 0 if nan_to_zero else x.grad[1].isnan()


def test_compiled_exported_and_by_the_operator_s_name():
    format, x = load_format("se8"), torch.tensor([0.5, math.nan])
    for nan_to_zero in (False, True):
        module = FakeQuantize(format, SCALE, nan_to_zero=nan_to_zero)
        expected = module(x)
        assert bool(expected[1].isnan()) is not nan_to_zero
        compiled = torch.compile(module, fullgraph=True, backend="eager")
        exported = torch.export.export(module, (x,)).module()
        for way in (compiled, exported, copy.deepcopy(module)):
            assert backends.equal(way(x), expected)
    text = operators._text(format)
    assert torch.ops.qse_hw.fake_quantize(x, text, SCALE.M, SCALE.k)[1].isnan()  # as graphs say it that know no option
    assert "nan_to_zero" not in repr(FakeQuantize(format, SCALE))
    assert "nan_to_zero=True" in repr(FakeQuantize(format, SCALE, nan_to_zero=True))


def test_quantizers_keep_nan():
    levels, ties_down = float8_levels(FLOAT8["fp8-e4m3"])
    segmented = SegmentedQuantizer(format=load_format("se8"), scale=SCALE)
    book = CodebookQuantizer.nearest(levels, ties_down=ties_down)
    x = np.array([[1.0, math.nan, -2.0, math.nan]])
    for quantizer in (segmented, book, GroupedQuantizer((segmented, book), np.array([0, 0, 1, 1]))):
        for dtype in (np.float16, np.float32, np.float64):
            values = quantizer.array(x.astype(dtype))
            assert np.isnan(values).tolist() == [[False, True, False, True]]
            np.testing.assert_array_equal(values, quantizer.tensor(torch.from_numpy(x.astype(dtype))).numpy())


def test_values_beyond_a_narrow_dtype_are_float32_s():
    """x in float16, its decoded value beyond float16: a quantizer tells it, a value of x's dtype is infinite."""
    wide = SegmentedQuantizer(format=load_format("se8"), scale=Scale.from_step(1000.0))
    x = np.array([65000.0], np.float16)
    assert wide.array(x)[0] > 6e4
    assert wide.tensor(torch.from_numpy(x))[0] == wide.array(x)[0]
    huge = Scale.from_step(2.0**20)
    assert dispatch.fake_quantize(np.array([60000.0], np.float16), load_format("int8"), huge) == 0
    coarse = Scale.from_step(100_000.0)
    format = dispatch.fake_quantize(np.array([60000.0], np.float16), load_format("int8"), coarse)
    assert np.isposinf(format)
    assert torch.isposinf(dispatch.fake_quantize(torch.tensor([60000.0]).half(), load_format("int8"), coarse))


INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "bool"]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_have_no_values_to_be_replaced(dtype):
    """int8 127 at a step of 32 stands for 128, which int8 does not have."""
    format, scale, codes = load_format("int8"), Scale.from_step(32.0), np.array([127, 1]).astype(dtype)
    said = f"^Values must have a dtype of float16, bfloat16, float32, float64, not {dtype}$"
    x = torch.from_numpy(codes)
    text = operators._text(format)
    for call in (
        lambda: dispatch.fake_quantize(codes, format, scale),
        lambda: dispatch.fake_quantize(x, format, scale),
        lambda: array.fake_quantize(codes, format, scale),
        lambda: tensor.fake_quantize(x, format, scale),
        lambda: torch.ops.qse_hw.fake_quantize(x, text, scale.M, scale.k),
        lambda: FakeQuantize(format, scale)(x),
        lambda: SegmentedQuantizer(format=format, scale=scale).array(codes),
        lambda: SegmentedQuantizer(format=format, scale=scale).tensor(x),
        lambda: tensor.dequantize(torch.ones(2, dtype=torch.int8), format, scale, dtype=x.dtype),
        lambda: torch.ops.qse_hw.dequantize(torch.ones(2, dtype=torch.int8), text, scale.M, scale.k, x.dtype),
    ):
        with pytest.raises(InputError, match=said):
            call()
