"""What the PyTorch operators take: every layout, dtype and mode works, bit by bit."""

import math

import numpy as np
import pytest
import torch

from qse_hw.golden.formats import scalar
from qse_hw.golden.formats.codes import to_bits
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import PRESETS, load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.quantize import array, operators

SE8, SE9, SCALE = load_format("se8"), load_format("se9-paper"), Scale.from_step(0.0176)
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
FLOAT8 = [getattr(torch, f"float8_{name}") for name in ("e4m3fn", "e5m2", "e4m3fnuz", "e5m2fnuz", "e8m0fnu")]
INTEGERS = (torch.int8, torch.int16, torch.int32)


def as_numpy(x):
    """The same values in NumPy; dtypes that it has not widen, which is exact."""
    x = x.detach().resolve_neg()
    return (x if x.dtype in (torch.float16, torch.float64, *INTEGERS) else x.float()).numpy()


def golden_codes(x, format=SE8, scale=SCALE, exponent=0):
    """Golden's codes of a tensor, in a tensor."""
    codes = array.quantize(as_numpy(x), format, scale, exponent=exponent)
    return torch.from_numpy(codes.astype(np.int16) if codes.dtype == np.uint16 else codes)


def same(result, wanted):
    """Equal in shape, dtype and every bit."""
    assert (result.shape, result.dtype) == (wanted.shape, wanted.dtype)
    as_integers = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[result.itemsize]
    assert torch.equal(result.contiguous().view(as_integers), wanted.contiguous().view(as_integers))


def golden_values(codes, dtype=torch.float32, format=SE8, scale=SCALE):
    codes = codes.numpy().astype(np.uint16) if codes.dtype == torch.int16 else codes.numpy()
    return torch.from_numpy(np.asarray(array.dequantize(codes, format, scale))).to(dtype)


def golden_faked(x, scale=SCALE):
    """What stands for the values of a tensor, in its dtype: NaN for NaN."""
    return golden_values(golden_codes(x.detach(), scale=scale), x.dtype, scale=scale).masked_fill(x.isnan(), math.nan)


@pytest.fixture
def values(rng):
    """4,000 values within and beyond the reach, with all that is special."""
    x = torch.from_numpy(rng.standard_normal(4000) * np.exp(rng.normal(0, 3, 4000)))
    x[::97] = torch.tensor([math.nan, math.inf, -math.inf, -0.0, 0.0, 1e-45, -1e-45]).repeat(6)
    return x


LAYOUTS = {
    "contiguous": lambda x: x,
    "transposed": lambda x: x[:77].reshape(7, 11).t(),
    "permuted": lambda x: x[:2040].reshape(5, 17, 24).permute(2, 0, 1),
    "every third": lambda x: x[::3],
    "from an odd offset": lambda x: x[7:3334],
    "odd offsets and strides": lambda x: x[:3990].reshape(57, 70)[3::5, 1:69:2],
    "expanded": lambda x: x[:9].reshape(9, 1).expand(3, 9, 5),
    "expanded from one": lambda x: x[2].expand(100),
    "overlapping": lambda x: x[:50].unfold(0, 8, 3),
    "diagonal": lambda x: x[:900].reshape(30, 30).diagonal(1),
    "channels last": lambda x: x[:1680].reshape(2, 8, 7, 15).to(memory_format=torch.channels_last),
    "channels last, 3d": lambda x: x[:1680].reshape(2, 8, 7, 3, 5).to(memory_format=torch.channels_last_3d),
    "no axis": lambda x: x[5],
    "NaN with no axis": lambda x: x[0],
    "nothing": lambda x: x[:0],
    "nothing in an axis": lambda x: x[:20].reshape(4, 5)[:, 5:],
    "that requires grad": lambda x: x.clone().requires_grad_(),
    "a parameter": torch.nn.Parameter,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_layouts(values, layout, dtype):
    x = LAYOUTS[layout](values.to(dtype))
    codes = operators.quantize(x, SE8, SCALE)
    same(codes, golden_codes(x))
    assert codes.is_contiguous()
    assert not codes.requires_grad
    again, counts = operators.quantize_histogram(x, SE8, SCALE)
    same(again, codes)
    flags = array.quantize_flags(as_numpy(x), SE8, SCALE)
    assert counts[:-2].sum() == x.numel()
    assert counts[-2:].tolist() == [flags.saturated.sum(), flags.nan.sum()]
    faked = operators.fake_quantize(x, SE8, SCALE)
    assert faked.requires_grad == x.requires_grad
    same(faked.detach(), golden_faked(x.detach()))


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name not in ("that requires grad", "a parameter")])
@pytest.mark.parametrize("format", [SE8, SE9, load_format("int8")], ids=lambda format: format.name)
def test_layouts_of_codes(values, layout, format):
    codes = LAYOUTS[layout](operators.quantize(values, format, SCALE))
    for dtype in FLOATS:
        decoded = operators.dequantize(codes, format, SCALE, dtype=dtype)
        same(decoded, golden_values(codes, dtype, format))
        assert decoded.is_contiguous()


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("layout", ["contiguous", "odd offsets and strides", "no axis", "nothing", "channels last"])
def test_integers(rng, dtype, layout):
    limits = torch.iinfo(dtype)
    x = LAYOUTS[layout](torch.from_numpy(rng.integers(limits.min, limits.max, 4000, endpoint=True)).to(dtype))
    for exponent in (0, -limits.bits, 3):
        same(operators.quantize(x, SE8, SCALE, exponent=exponent), golden_codes(x, exponent=exponent))


@pytest.mark.parametrize("dtype", FLOAT8, ids=str)
def test_float8(dtype):
    """Every pattern."""
    x = torch.arange(256, dtype=torch.uint8).view(dtype)
    for view in (x, x[3::7], x[:128].reshape(2, 64).t(), x[127], x[:0]):
        codes = operators.quantize(view, SE8, SCALE)
        same(codes, golden_codes(view))
        same(operators.quantize_histogram(view, SE8, SCALE)[0], codes)


@pytest.mark.parametrize("name", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("preset", PRESETS)
def test_specials(name, preset):
    """NaN of both signs and kinds, infinities, both zeros, the smallest and largest subnormals and normals."""
    type, format = input_type(name), load_format(preset)
    infinity = ((1 << type.exponent_bits) - 1) << type.fraction_bits
    least_normal = 1 << type.fraction_bits
    plus = [0, 1, least_normal - 1, least_normal, infinity - 1, infinity, infinity + 1, infinity | least_normal >> 1]
    bits = np.array([pattern | sign for pattern in plus for sign in (0, 1 << (type.width - 1))])
    dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[name]
    x = torch.from_numpy(bits.astype(f"u{type.width // 8}").view(f"i{type.width // 8}")).view(dtype)
    codes, counts = operators.quantize_histogram(x, format, SCALE)
    truth = [scalar.quantize(int(pattern), type, format, SCALE) for pattern in bits]
    assert to_bits(codes.numpy(), format).tolist() == [value.code for value in truth]
    assert counts[-2:].tolist() == [sum(value.saturated for value in truth), 4]
    assert all(value.code == format.zero_code for value in truth[:2] + truth[12:])
    assert all(value.saturated for value in truth[10:12])  # the infinities
    faked = operators.fake_quantize(x, format, SCALE)
    assert torch.isfinite(faked[:12]).all() or name == "fp16"
    same(faked[:2], torch.zeros(2, dtype=dtype))  # +0, also of -0
    assert faked[12:].isnan().all()
    same(operators.fake_quantize(x, format, SCALE, nan_to_zero=True)[12:], torch.zeros(4, dtype=dtype))


def test_views_of_complex(values):
    z = torch.complex(values, values)
    for x, wanted in ((z.real, values), (z.imag, values), (z.conj().imag, -values)):
        same(operators.quantize(x, SE8, SCALE), golden_codes(wanted))
        same(operators.fake_quantize(x, SE8, SCALE), golden_faked(wanted))
    assert z.conj().imag.is_neg()


def test_gradient_where_nothing_saturates(values):
    x = values.float().requires_grad_()
    faked = operators.fake_quantize(x, SE8, SCALE)
    faked.backward(torch.full_like(x, 3.0))
    flags = array.quantize_flags(as_numpy(x), SE8, SCALE)
    passes = torch.from_numpy(~flags.saturated & ~flags.nan)
    assert torch.equal(x.grad[passes], torch.full_like(x.grad[passes], 3.0))
    assert not x.grad[torch.from_numpy(flags.saturated)].any()
    assert 0 < passes.sum() < len(x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast(values, dtype):
    x = values.float()
    codes, faked = operators.quantize(x, SE8, SCALE), operators.fake_quantize(x, SE8, SCALE)
    with torch.autocast("cpu", dtype=dtype):
        same(operators.quantize(x, SE8, SCALE), codes)
        same(operators.fake_quantize(x, SE8, SCALE), faked)
        same(operators.dequantize(codes, SE8, SCALE), golden_values(codes))
        product = torch.ones(2, 4000) @ faked.nan_to_num()
        assert product.dtype == dtype  # it is on
        same(operators.quantize(product, SE8, SCALE), golden_codes(product))


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_modes(values, mode):
    x = values.float()
    with mode():
        y = x * 1
        codes = operators.quantize(y, SE8, SCALE)
        same(codes, golden_codes(x))
        faked = operators.fake_quantize(y, SE8, SCALE)
        assert not faked.requires_grad
        same(faked, golden_faked(x))
        same(operators.dequantize(codes, SE8, SCALE), golden_values(codes))


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_vmap(values, axis):
    x = values.float()[:3000].reshape(10, 15, 20)
    out = axis % 3
    each = torch.func.vmap(lambda row: operators.quantize(row, SE8, SCALE), in_dims=axis, out_dims=out)
    same(each(x), golden_codes(x))
    each = torch.func.vmap(lambda row: operators.fake_quantize(row, SE8, SCALE), in_dims=axis, out_dims=out)
    same(each(x), golden_faked(x))
    each = torch.func.vmap(lambda row: operators.dequantize(row, SE8, SCALE), in_dims=axis, out_dims=out)
    same(each(golden_codes(x)), golden_values(golden_codes(x)))
    twice = torch.func.vmap(torch.func.vmap(lambda row: operators.quantize(row, SE8, SCALE)), in_dims=axis)
    same(twice(x), golden_codes(x).movedim(axis, 0))


def test_vmap_of_counts_and_products(values):
    x = values.float()[:600].reshape(20, 30)
    codes, counts = torch.func.vmap(lambda row: operators.quantize_histogram(row, SE8, SCALE))(x)
    same(codes, golden_codes(x))
    same(counts, torch.stack([operators.quantize_histogram(row, SE8, SCALE)[1] for row in x]))
    weight = torch.arange(-30, 30, dtype=torch.int8).reshape(2, 30)
    each = torch.func.vmap(lambda row: operators.linear(row, weight, SE8))
    same(each(codes), operators.linear(codes, weight, SE8))


@pytest.mark.parametrize(
    "shapes",
    [((30,), (7, 30)), ((4, 5, 30), (7, 30)), ((0, 30), (7, 30)), ((4, 0), (7, 0)), ((4, 30), (0, 30))],
    ids=str,
)
@pytest.mark.parametrize("format", [SE8, SE9, load_format("int8")], ids=lambda format: format.name)
def test_shapes_of_products(rng, shapes, format):
    values = torch.from_numpy(rng.normal(0, 1, shapes[0]))
    weight = torch.from_numpy(rng.integers(-128, 128, shapes[1])).to(torch.int8)
    codes = operators.quantize(values, format, SCALE)
    plain = codes.numpy().astype(np.uint16) if codes.dtype == torch.int16 else codes.numpy()
    integers = array.dequantize_integers(plain, format)
    wanted = torch.from_numpy((integers.astype(np.int64) @ weight.numpy().T.astype(np.int64)).astype(np.int32))
    same(operators.linear(codes, weight, format), wanted)
    turned = weight.t().contiguous().t()
    same(operators.linear(codes.unsqueeze(-1).expand(*codes.shape, 2)[..., 1], turned, format), wanted)


@pytest.mark.parametrize(
    "scale",
    [0.0176, np.float64(0.0176), np.array([0.0176]), torch.tensor(0.0176, dtype=torch.float64),
     torch.tensor([[0.0176]], dtype=torch.float64), torch.tensor(0.0176, dtype=torch.float64, requires_grad=True)],
    ids=["float", "NumPy scalar", "NumPy array", "0-dim tensor", "1-element tensor", "tensor that requires grad"],
)  # fmt: skip
def test_scales(values, scale):
    same(operators.quantize(values, SE8, scale), golden_codes(values))
    same(operators.fake_quantize(values, SE8, scale), golden_faked(values))
    same(operators.dequantize(golden_codes(values), SE8, scale), golden_values(golden_codes(values)))
    same(operators.quantize_histogram(values, SE8, scale)[0], golden_codes(values))


def test_scales_that_are_integers(values):
    for scale in (2, torch.tensor(2), torch.tensor([2], dtype=torch.int8)):
        same(operators.quantize(values, SE8, scale), golden_codes(values, scale=Scale.from_step(2)))


def test_the_meta_device(values):
    """Shapes and dtypes without data."""
    x = values.float().reshape(40, 100)
    for format in (SE8, SE9):
        codes = operators.quantize(x.to("meta"), format, SCALE)
        real = operators.quantize(x, format, SCALE)
        assert (codes.device.type, codes.shape, codes.dtype) == ("meta", real.shape, real.dtype)
        decoded = operators.dequantize(codes, format, SCALE, dtype=torch.bfloat16)
        assert (decoded.device.type, decoded.shape, decoded.dtype) == ("meta", real.shape, torch.bfloat16)
        again, counts = operators.quantize_histogram(x.to("meta"), format, SCALE)
        assert (again.dtype, counts.dtype, counts.shape) == (real.dtype, torch.int64, (len(format.segments) + 2,))
        product = operators.linear(codes, torch.ones(7, 100, dtype=torch.int8, device="meta"), format)
        assert (product.device.type, product.shape, product.dtype) == ("meta", (40, 7), torch.int32)
    faked = operators.fake_quantize(x.half().t().to("meta"), SE8, SCALE)
    assert (faked.device.type, faked.shape, faked.dtype) == ("meta", (100, 40), torch.float16)


@pytest.mark.full
def test_more_than_2_to_the_31_values():
    """Every int8 value, again and again: no index may wrap. Some 7 GB."""
    row, times = torch.arange(-128, 128).to(torch.int8), (1 << 23) + 3
    x = row.expand(times, 256)
    assert x.numel() > 1 << 31
    codes = operators.quantize(x, SE8, SCALE, exponent=-3)
    wanted = golden_codes(row, exponent=-3)
    assert codes.shape == x.shape
    assert all(torch.equal(part, wanted.expand_as(part)) for part in codes.split(1 << 18))
    decoded = operators.dequantize(codes, SE8, SCALE, dtype=torch.float16)
    values = golden_values(wanted, torch.float16)
    assert all(torch.equal(part, values.expand_as(part)) for part in decoded.split(1 << 18))
