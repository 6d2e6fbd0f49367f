"""PyTorch against NumPy (which test_array.py holds against the scalar truth, PyTorch's codes of 16 bits included)."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from qse_hw.golden.errors import InputError  # noqa: E402
from qse_hw.golden.formats.codes import from_bits  # noqa: E402
from qse_hw.golden.formats.presets import int8, se8, se9_paper  # noqa: E402
from qse_hw.golden.formats.scale import Scale  # noqa: E402
from qse_hw.golden.quantize import array, tensor  # noqa: E402
from tests.golden.formats import oracles  # noqa: E402

NAMES = [*oracles.SHIPPED, *oracles.DOCUMENTS]
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8, torch.int16, torch.int32]


def check_numpy(x: np.ndarray, name: str, scale: Scale, device: str = "cpu") -> None:
    format = oracles.make(name)
    codes = tensor.quantize(torch.from_numpy(x).to(device), format, scale)
    assert codes.device.type == device
    expected = array.quantize(x, format, scale)
    np.testing.assert_array_equal(codes.cpu().numpy(), expected)
    values = tensor.dequantize(codes, format, scale)
    assert values.dtype == torch.float32
    np.testing.assert_array_equal(values.cpu().numpy(), array.dequantize(expected, format, scale))


@pytest.mark.every(3)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", oracles.SHIPPED)
def test_four_million_random_fp32_patterns(name, device, rng):
    scale = oracles.scale_for("fp32", 16)
    anything = rng.integers(0, 1 << 32, 3 << 20, np.uint32).view(np.float32)  # NaN, infinities, subnormals among them
    assert np.isnan(anything).any()
    inside = rng.uniform(-250, 450, 1 << 20).astype(np.float32) * np.float32(scale.step)
    edges = oracles.fp32_edges(oracles.ORACLES[name], scale).view(np.float32)
    check_numpy(np.concatenate([anything, inside, edges]), name, scale, device)


@pytest.mark.every(3)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", [*oracles.PARAMETERISED, *oracles.DOCUMENTS])
def test_other_formats(name, device, rng):
    scale = oracles.scale_for("fp32", 8)
    inside = rng.uniform(-250, 450, 100_000).astype(np.float32) * np.float32(scale.step)
    edges = oracles.fp32_edges(oracles.ORACLES[name], scale).view(np.float32)
    check_numpy(np.concatenate([inside, edges]), name, scale, device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
@pytest.mark.parametrize("name", NAMES)
def test_random_integers(name, dtype, device, rng):
    info = np.iinfo(dtype)
    x = rng.integers(info.min, info.max, 100_000, dtype, endpoint=True)
    check_numpy(x, name, oracles.scale_for(f"s{info.bits}", 20), device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", NAMES)
def test_float64_beside_every_edge(name, device, rng):
    oracle, scale = oracles.ORACLES[name], Scale.from_step(0.0177)
    points = np.array([float(threshold / scale.reciprocal) for threshold in oracle.thresholds])
    beside = [points]
    for direction in (np.inf, -np.inf):
        for _ in range(3):
            beside.append(np.nextafter(beside[-1], direction))
        beside.append(points)
    special = [0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, -5e-324, 1.7e308]
    x = np.concatenate([*beside, special, rng.normal(0, 1, 10_000)])
    check_numpy(x, name, scale, device)  # against Fractions: test_array.py
    sample = np.array([x[i] for i in rng.integers(0, x.size, 300) if np.isfinite(x[i])])
    codes = tensor.quantize(torch.from_numpy(sample).to(device), oracles.make(name), scale).cpu().tolist()
    for value, code in zip(sample, codes, strict=True):
        expected = oracle.quantize(oracles.exact(value) * scale.reciprocal)[0]
        assert code % (1 << oracles.make(name).bits) == expected


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_input_is_left_alone(dtype, device):
    x = torch.arange(-60, 60, device=device).to(dtype)
    before = x.clone()
    for _ in range(2):
        codes = tensor.quantize(x, se8(), Scale.from_step(0.3))
        assert torch.equal(x, before)
    expected = array.quantize(np.arange(-60, 60, dtype=np.int8), se8(), Scale.from_step(0.3))
    np.testing.assert_array_equal(codes.cpu(), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_layouts(dtype):
    format, scale = se9_paper(), Scale.from_step(0.6)
    x = torch.arange(-120, 120).reshape(5, 6, 8).to(dtype)
    expected = tensor.quantize(x, format, scale)
    values = tensor.dequantize(expected, format, scale)
    assert expected.shape == values.shape == x.shape
    assert expected.dtype == torch.int16
    for view in (np.s_[:, ::2, 1::3], np.s_[..., 0], np.s_[2, 3, 4], np.s_[:, :0], np.s_[None]):
        assert torch.equal(tensor.quantize(x[view], format, scale), expected[view])
        assert torch.equal(tensor.dequantize(expected[view], format, scale), values[view])
    assert torch.equal(tensor.quantize(x.permute(2, 0, 1), format, scale), expected.permute(2, 0, 1))
    assert torch.equal(tensor.quantize(x[:1].expand(4, 6, 8), format, scale), expected[:1].expand(4, 6, 8))
    channels_last = torch.stack([x, x]).to(memory_format=torch.channels_last)
    assert torch.equal(tensor.quantize(channels_last, format, scale), torch.stack([expected, expected]))


def test_blocks_do_not_show(rng):
    x = rng.normal(0, 1, tensor._BLOCK * 2 + 77).astype(np.float32)
    x[tensor._BLOCK - 1 :: tensor._BLOCK] = np.nan
    check_numpy(x, "se8", Scale.from_step(0.02))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_gradients_end_here(dtype):
    x = torch.linspace(-3, 3, 50).to(dtype).requires_grad_()
    codes = tensor.quantize(x * 1, se8(), Scale.from_step(0.02))
    assert not codes.requires_grad
    assert torch.equal(codes, tensor.quantize(x.detach(), se8(), Scale.from_step(0.02)))


FLOAT8 = [torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz, torch.float8_e8m0fnu]


@pytest.mark.parametrize("dtype", FLOAT8)
@pytest.mark.parametrize("name", ["int8", "se8", "se9-paper"])
def test_all_float8_patterns(name, dtype):
    import ml_dtypes

    patterns = np.arange(256, dtype=np.uint8)
    x = torch.from_numpy(patterns).view(dtype)
    oracle = patterns.view(getattr(ml_dtypes, str(dtype).removeprefix("torch."))).astype(np.float64)
    assert len(np.unique(oracle)) > 200
    for step in (0.05, 2.0):
        codes = tensor.quantize(x, oracles.make(name), Scale.from_step(step))
        np.testing.assert_array_equal(codes, array.quantize(oracle, oracles.make(name), Scale.from_step(step)))


@pytest.mark.parametrize("name", oracles.ORACLES)
def test_dequantize(name):
    format = oracles.make(name)
    codes = from_bits(np.array(sorted(format.decoded), np.uint16), format)
    for scale in (oracles.scale_for("fp32", 1), oracles.scale_for("fp32", 20)):
        values = tensor.dequantize(torch.from_numpy(codes.astype(codes.dtype.str.replace("u2", "i2"))), format, scale)
        assert values.numpy().tobytes() == array.dequantize(codes, format, scale).tobytes()


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.complex64, torch.uint16])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(InputError, match=f"Array dtype must be one of .*, not {str(dtype).removeprefix('torch.')}"):
        tensor.quantize(torch.zeros(3, dtype=dtype), se8(), Scale.from_step(1.0))


def test_exponents():
    x = torch.arange(-100, 100, dtype=torch.int16)
    plain = tensor.quantize(x, se8(), Scale.from_step(0.3))
    assert torch.equal(tensor.quantize(x, se8(), Scale.from_step(0.3 / 32), exponent=-5), plain)
    with pytest.raises(InputError, match="Exponent must be from -64 to 64, not 2000"):
        tensor.quantize(x, se8(), Scale.from_step(0.3), exponent=2000)
    with pytest.raises(InputError, match="Exponent must be 0 for floating-point inputs, not 3"):
        tensor.quantize(x.float(), se8(), Scale.from_step(0.3), exponent=3)


@pytest.mark.parametrize(
    ("name", "codes", "shown"),
    [
        ("se9-paper", torch.tensor([511, 512], dtype=torch.int16), "512"),
        ("se9-paper", torch.tensor([-1], dtype=torch.int16), "-1"),
        ("sticky-offset", torch.tensor([0, 125], dtype=torch.uint8), "125"),
        ("sticky-offset", torch.tensor([0, 255], dtype=torch.uint8), "255"),
        ("int5", torch.tensor([15, 16], dtype=torch.int8), "16"),
        ("int5", torch.tensor([-16, -17], dtype=torch.int8), "-17"),
        ("int12", torch.tensor(5000, dtype=torch.int16), "5000"),
    ],
)
def test_unassigned_codes_are_refused(name, codes, shown):
    with pytest.raises(InputError, match=f"Codes must be ones that format {name} assigns, not {shown}$"):
        tensor.dequantize(codes, oracles.make(name), Scale.from_step(1.0))


def test_codes_of_another_dtype_are_refused():
    with pytest.raises(InputError, match=r"Codes of format int8 must have dtype torch.int8, not torch.uint8"):
        tensor.dequantize(torch.zeros(3, dtype=torch.uint8), int8(), Scale.from_step(1.0))


@pytest.mark.parametrize("name", ["se8", "se9-paper", "int8-asym"])
def test_codes_stay_on_the_device(name):
    x = torch.empty((3, 5), dtype=torch.float32, device="meta")  # a device that is not the default, and has no values
    codes = tensor.quantize(x, oracles.make(name), Scale.from_step(1.0))
    assert (codes.device.type, codes.shape) == ("meta", (3, 5))


def test_products_are_where_the_codes_are_and_ignore_bits_above_them(rng):
    format = oracles.make("se9-paper")
    codes = torch.tensor(sorted(format.decoded), dtype=torch.int16)
    weight = torch.from_numpy(rng.integers(-128, 128, (3, len(codes))).astype(np.int8))
    assert torch.equal(tensor.linear(codes | 0x600, weight, format), tensor.linear(codes, weight, format))
    assert tensor.linear(codes.to("meta"), weight, format).device.type == "meta"
