"""Triton's kernels against PyTorch's plain operations (which test_tensor.py holds against NumPy)."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from golden import tensor  # noqa: E402
from golden.scale import Scale  # noqa: E402
from tests.golden import backends, oracles  # noqa: E402

NAMES = [*oracles.SHIPPED, *oracles.DOCUMENTS]

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the interpreter's NumPy, of infinite products


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", backends.FLOATS)
def test_floats(kernels, device, name, dtype, rng):
    if dtype in (torch.bfloat16, torch.float16) and name not in ("se8", "se8-silu", "se9-paper"):
        dtype = torch.float32  # all 16-bit patterns of the formats that matter; elsewhere their wider kin
    backends.check_floats(kernels, name, dtype, oracles.scale_for("fp32", 16), rng, device=device, count=3000)


@pytest.mark.full
@pytest.mark.parametrize("name", list(oracles.ORACLES))
@pytest.mark.parametrize("dtype", backends.FLOATS)
@pytest.mark.parametrize("bits", [1, 8, 16, 20])
def test_floats_of_every_format_and_scale(kernels, device, name, dtype, bits, rng):
    backends.check_floats(kernels, name, dtype, oracles.scale_for("fp32", bits), rng, device=device, count=20_000)


@pytest.mark.parametrize("name", ["se8", "int8", *oracles.DOCUMENTS])
@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32])
def test_integers(kernels, device, name, dtype, rng):
    backends.check_integers(kernels, name, dtype, rng, device=device, count=5000)


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
    assert not kernels.dequantise(others.to(device), format, scale).any()


@pytest.mark.parametrize("step", [2.0**-100, 7.7e29, 2.0**100])
def test_extreme_scales(kernels, device, step, rng):
    for bits in (1, 20):
        scale = Scale.from_step(step, bits)
        backends.check_decoding(kernels, "se8", scale, device=device)
        for dtype in (torch.float32, torch.float64):
            backends.check_floats(kernels, "se8-silu", dtype, scale, rng, device=device, count=500)


def test_quotients_are_rounded_once(kernels, device):
    """Every multiplier of some widths, where the first quotient is often one ulp off."""
    format = oracles.make("int12")
    codes = torch.arange(-2048, 2048, dtype=torch.int16)
    draw = np.random.default_rng(2601)
    multipliers = [*range(1 << 7, 1 << 8, 9), *draw.integers(1 << 19, 1 << 20, 12).tolist(), (1 << 20) - 1]
    for M in multipliers:
        scale = Scale(M=M, k=10, bits=M.bit_length())
        found = kernels.dequantise(codes.to(device), format, scale)
        assert backends.equal(found, tensor.dequantise(codes, format, scale))


@pytest.mark.parametrize("name", ["int8", "se8", "se8-silu", "se9-paper", "coarse-fine-coarse", "int12"])
@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(1, 2500, 9), (3, 70, 20), (1, 40, 1030), (17, 130, 65)])
def test_linear(kernels, device, name, rows, inputs, outputs):
    backends.check_linear(kernels, name, rows, inputs, outputs, device=device)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (4097,), (3, 0, 2), (5, 7, 11)])
def test_shapes_and_strides(kernels, device, shape, rng):
    format, scale = oracles.make("se8"), Scale.from_step(0.02)
    x = torch.from_numpy(np.array(rng.standard_normal(shape), np.float32))
    for view in (x, x.permute(*reversed(range(x.dim()))) if x.dim() else x):
        codes = kernels.quantise(view.to(device), format, scale)
        assert backends.equal(codes, tensor.quantise(view, format, scale))
        assert backends.equal(kernels.dequantise(codes, format, scale), tensor.dequantise(codes.cpu(), format, scale))
