"""Triton's kernels against PyTorch's plain operations (which test_tensor.py holds against NumPy)."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import qse_hw.golden.quantize.triton  # noqa: E402
from qse_hw.golden.formats.scale import Scale  # noqa: E402
from qse_hw.golden.quantize import tensor  # noqa: E402
from tests.golden.formats import oracles  # noqa: E402
from tests.golden.quantize import backends  # noqa: E402

NAMES = [*oracles.SHIPPED, *oracles.DOCUMENTS]

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the interpreter's NumPy, of infinite products


@pytest.mark.every(9)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", backends.FLOATS)
def test_floats(kernels, device, name, dtype, rng):
    if dtype in (torch.bfloat16, torch.float16) and name not in ("se8", "se8-silu", "se9-paper"):
        dtype = torch.float32  # all 16-bit patterns of the formats that matter; elsewhere their wider kin
    backends.check_floats(kernels, name, dtype, oracles.scale_for("fp32", 16), rng, device=device, count=3000)


@pytest.mark.full(4)
@pytest.mark.parametrize("name", list(oracles.ORACLES))
@pytest.mark.parametrize("dtype", backends.FLOATS)
@pytest.mark.parametrize("bits", [1, 8, 16, 20])
def test_floats_of_every_format_and_scale(kernels, device, name, dtype, bits, rng):
    backends.check_floats(kernels, name, dtype, oracles.scale_for("fp32", bits), rng, device=device, count=20_000)


@pytest.mark.every(9)
@pytest.mark.parametrize("name", ["se8", "int8", *oracles.DOCUMENTS])
@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32])
def test_integers(kernels, device, name, dtype, rng):
    backends.check_integers(kernels, name, dtype, rng, device=device, count=5000)


@pytest.mark.every(9)
@pytest.mark.parametrize("name", list(oracles.ORACLES))
def test_decoding(kernels, device, name):
    for bits in (1, 16, 20):
        backends.check_decoding(kernels, name, oracles.scale_for("fp32", bits), device=device)


@pytest.mark.parametrize("name", NAMES)
def test_codes_that_the_format_does_not_assign_are_0(kernels, device, name):
    format, scale = oracles.make(name), Scale.from_step(0.02)
    assigned = backends.assigned_codes(name)
    info = torch.iinfo(assigned.dtype)
    others = torch.tensor(sorted({*range(info.min, info.max + 1)} - {*assigned.tolist()}), dtype=assigned.dtype)
    assert not kernels.dequantize(others.to(device), format, scale).any()


@pytest.mark.every(2)
@pytest.mark.parametrize("step", [2.0**-100, 7.7e29, 2.0**100])
def test_extreme_scales(kernels, device, step, rng):
    for bits in (1, 20):
        scale = Scale.from_step(step, bits)
        backends.check_decoding(kernels, "se8", scale, device=device)
        for dtype in (torch.float32, torch.float64):
            backends.check_floats(kernels, "se8-silu", dtype, scale, rng, device=device, count=500)


@pytest.mark.every(6)
@pytest.mark.parametrize("name", ["sticky-zero", "sticky-zero-within", "sticky-signed"])
@pytest.mark.parametrize("dtype", backends.FLOATS)
def test_the_last_scales(kernels, device, name, dtype):
    format = oracles.make(name)
    for scale in (Scale(M=1, k=60, bits=1), backends.extreme_scales(1)[0], *backends.extreme_scales(20)[1::2]):
        backends.check_equal_to_array(kernels, backends.all_magnitudes(dtype, scale), format, scale, device=device)


@pytest.mark.full(4)
@pytest.mark.parametrize("name", list(oracles.ORACLES))
@pytest.mark.parametrize("dtype", backends.FLOATS)
@pytest.mark.parametrize("bits", [1, 8, 16, 20])
def test_the_last_scales_of_every_format(kernels, device, name, dtype, bits):
    format = oracles.make(name)
    for scale in backends.extreme_scales(bits):
        backends.check_equal_to_array(kernels, backends.all_magnitudes(dtype, scale), format, scale, device=device)


@pytest.mark.parametrize("name", ["sticky-zero", "int12"])
def test_decoding_at_the_last_scales(kernels, device, name):
    for scale in (scale for bits in (1, 20) for scale in backends.extreme_scales(bits)):
        backends.check_decoding(kernels, name, scale, device=device)


def test_however_small_a_value_it_is_above_an_exact_end_at_0(kernels, device):
    format, scale = oracles.make("sticky-zero"), Scale.from_step(2.0**60)
    x = torch.tensor([1e-30, 0.0, -0.0, -1e-30], dtype=torch.bfloat16)
    assert kernels.quantize(x.to(device), format, scale).tolist() == [16, 15, 15, 15]
    scale, x = Scale.from_step(2.0**100), torch.tensor([1e-300, 0.0, -0.0, -1e-300], dtype=torch.float64)
    assert kernels.quantize(x.to(device), format, scale).tolist() == [16, 15, 15, 15]


def test_a_floor_that_flushes_subnormal_numbers(kernels, device, monkeypatch):
    """As Triton compiles it for a GPU (test_compiled.py)."""
    interpreter = pytest.importorskip("triton.runtime.interpreter")

    def floor(self, number):
        tiny = np.finfo(np.float32).tiny if number.data.dtype == np.float32 else 0
        return self.unary_op(number, lambda x: np.floor(np.where(np.abs(x) < tiny, np.copysign(np.float32(0), x), x)))

    monkeypatch.setattr(interpreter.InterpreterBuilder, "create_floor", floor)
    format, scale = oracles.make("sticky-zero"), Scale.from_step(2.0**20)
    x = backends.all_magnitudes(torch.float32, scale)
    backends.check_equal_to_array(kernels, x, format, scale, device=device)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32])
@pytest.mark.parametrize("exponent", [-64, 64])
def test_integers_at_the_last_scales(kernels, device, dtype, exponent):
    info = torch.iinfo(dtype)
    x = torch.tensor([info.min, info.min + 1, -1, 0, 1, info.max - 1, info.max], dtype=dtype)
    for name in ("sticky-zero", "int12"):
        format = oracles.make(name)
        for scale in backends.extreme_scales(20):
            expected = tensor.quantize(x, format, scale, exponent=exponent)
            assert backends.equal(kernels.quantize(x.to(device), format, scale, exponent=exponent), expected)


def test_float64_is_for_what_needs_it():
    """It is slow on most GPUs."""
    format = oracles.make("se8")
    for scale in (Scale.from_step(0.02), Scale.from_step(2.0**100), Scale.from_step(2.0**-100, 20)):
        for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.int8, torch.int16):
            assert not qse_hw.golden.quantize.triton._product(dtype, format, scale, 0)[1]
        for dtype in (torch.float64, torch.int32):
            assert qse_hw.golden.quantize.triton._product(dtype, format, scale, 0)[1]


def test_quotients_are_rounded_once(kernels, device):
    """Every multiplier of some widths, where the first quotient is often one ulp off."""
    format = oracles.make("int12")
    codes = torch.arange(-2048, 2048, dtype=torch.int16)
    draw = np.random.default_rng(2601)
    multipliers = [*range(1 << 7, 1 << 8, 9), *draw.integers(1 << 19, 1 << 20, 12).tolist(), (1 << 20) - 1]
    for M in multipliers:
        scale = Scale(M=M, k=10, bits=M.bit_length())
        values = kernels.dequantize(codes.to(device), format, scale)
        assert backends.equal(values, tensor.dequantize(codes, format, scale))


@pytest.mark.every(9)
@pytest.mark.parametrize("name", ["int8", "se8", "se8-silu", "se9-paper", "coarse-fine-coarse", "int12"])
@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(1, 2500, 9), (3, 70, 20), (1, 40, 1030), (17, 130, 65)])
def test_linear(kernels, device, name, rows, inputs, outputs):
    backends.check_linear(kernels, name, rows, inputs, outputs, device=device)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (4097,), (3, 0, 2), (5, 7, 11)])
def test_shapes_and_strides(kernels, device, shape, rng):
    format, scale = oracles.make("se8"), Scale.from_step(0.02)
    x = torch.from_numpy(np.array(rng.standard_normal(shape), np.float32))
    for view in (x, x.permute(*reversed(range(x.dim()))) if x.dim() else x):
        codes = kernels.quantize(view.to(device), format, scale)
        assert backends.equal(codes, tensor.quantize(view, format, scale))
        assert backends.equal(kernels.dequantize(codes, format, scale), tensor.dequantize(codes.cpu(), format, scale))
