"""NumPy against the scalar truth: every pattern up to 16 bits, every edge above, float64 against Fractions."""

import re
from fractions import Fraction
from functools import cache

import ml_dtypes
import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats import scalar
from qse_hw.golden.formats.codes import code_dtype, to_bits
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import int8, se8, se9_paper
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.quantize import array
from tests.golden.formats import oracles

NAMES = [*oracles.SHIPPED, *oracles.DOCUMENTS]
FULL_SCALES = [
    (step, bits) for step in (2.0**-24, 3e-4, 0.0237, 1.0, 77.7, 3e4, 2.0**-100, 1e30) for bits in (1, 8, 16)
]


@cache
def scalar_results(name, input_name, scale, patterns: bytes):
    """Bit patterns of the codes, saturated flags, nan flags."""
    format, type = oracles.make(name), input_type(input_name)
    results = [scalar.quantize(p, type, format, scale) for p in np.frombuffer(patterns, np.uint32).tolist()]
    codes, saturated, nan = zip(*results, strict=True)
    return np.array(codes), np.array(saturated), np.array(nan)


def check_scalar(name, input_name, scale, patterns):
    """NumPy and PyTorch equal the scalar truth on ``patterns`` (uint32)."""
    import torch

    from qse_hw.golden.quantize import tensor

    format = oracles.make(name)
    codes, saturated, nan = scalar_results(name, input_name, scale, patterns.astype(np.uint32).tobytes())
    x = oracles.patterns_to_values(patterns, input_name)
    got = array.quantize_flags(x, format, scale)
    assert got.codes.dtype == code_dtype(format)
    np.testing.assert_array_equal(to_bits(got.codes, format), codes)
    np.testing.assert_array_equal(got.saturated, saturated)
    np.testing.assert_array_equal(got.nan, nan)
    np.testing.assert_array_equal(array.quantize(x, format, scale), got.codes)
    bf16 = input_name == "bf16"
    x_torch = torch.from_numpy(x.view(np.int16)).view(torch.bfloat16) if bf16 else torch.from_numpy(x)
    # uint16 codes are int16 in PyTorch: equal as numbers
    np.testing.assert_array_equal(tensor.quantize(x_torch, format, scale).numpy(), got.codes)


TWENTY = pytest.param(20, marks=pytest.mark.full)  # s32 with 20 bits, the widest product, is below


@pytest.mark.every(24)
@pytest.mark.parametrize("bits", [1, 8, 16, TWENTY])
@pytest.mark.parametrize("input_name", ["fp16", "bf16", "s16"])
@pytest.mark.parametrize("name", oracles.SHIPPED)
def test_all_16_bit_patterns(name, input_name, bits):
    check_scalar(name, input_name, oracles.scale_for(input_name, bits), np.arange(65536, dtype=np.uint32))


@pytest.mark.every(3)
@pytest.mark.parametrize(("input_name", "bits"), [("fp16", 8), ("bf16", 1), ("s16", 20)])
@pytest.mark.parametrize("name", oracles.DOCUMENTS)
def test_all_16_bit_patterns_of_own_formats(name, input_name, bits):
    # an odd stride: 1/7 of the patterns, all of them with --full
    check_scalar(name, input_name, oracles.scale_for(input_name, bits), np.arange(3, 65536, 7, dtype=np.uint32))


@pytest.mark.full(2)
@pytest.mark.parametrize("bits", [1, 8, 16, 20])
@pytest.mark.parametrize("input_name", ["fp16", "bf16", "s16"])
@pytest.mark.parametrize("name", [*oracles.PARAMETERISED, *oracles.DOCUMENTS])
def test_all_16_bit_patterns_of_all_formats(name, input_name, bits):
    check_scalar(name, input_name, oracles.scale_for(input_name, bits), np.arange(65536, dtype=np.uint32))


@pytest.mark.full(3)
@pytest.mark.parametrize(("step", "bits"), FULL_SCALES)
@pytest.mark.parametrize("input_name", ["fp16", "bf16", "s16"])
@pytest.mark.parametrize("name", oracles.SHIPPED)
def test_all_16_bit_patterns_at_many_scales(name, input_name, step, bits):
    check_scalar(name, input_name, Scale.from_step(step, bits), np.arange(65536, dtype=np.uint32))


@pytest.mark.every(3)
@pytest.mark.parametrize("bits", [1, 8, 16])
@pytest.mark.parametrize("name", NAMES)
def test_fp32_at_every_edge_and_beside_it(name, bits):
    scale = oracles.scale_for("fp32", bits)
    check_scalar(name, "fp32", scale, oracles.fp32_edges(oracles.ORACLES[name], scale))


@pytest.mark.every(3)
@pytest.mark.parametrize("name", NAMES)
def test_random_fp32(name, rng):
    scale = oracles.scale_for("fp32", 16)
    inside = (rng.uniform(-250, 450, 6000) * float(scale.step)).astype(np.float32).view(np.uint32)
    check_scalar(name, "fp32", scale, np.concatenate([inside, rng.integers(0, 1 << 32, 3000, np.uint32)]))


@pytest.mark.every(3)
@pytest.mark.parametrize(("input_name", "bits"), [("s24", 16), ("s32", 20), ("s32", 1)])
@pytest.mark.parametrize("name", NAMES)
def test_random_wide_integers(name, input_name, bits, rng):
    width, scale = int(input_name[1:]), oracles.scale_for(input_name, bits)
    s = Fraction(2) ** scale.k / scale.M
    near = {(threshold * s).__floor__() + side for threshold in oracles.ORACLES[name].thresholds for side in (0, 1)}
    ends = [0, 1, (1 << (width - 1)) - 1, 1 << (width - 1), (1 << width) - 1]
    random = rng.integers(0, 1 << width, 1000)
    patterns = np.concatenate([ends, [n % (1 << width) for n in near], random]).astype(np.uint32)
    check_scalar(name, input_name, scale, patterns)


@pytest.mark.parametrize("name", NAMES)
def test_s8(name):
    check_scalar(name, "s8", oracles.scale_for("s8", 8), np.arange(256, dtype=np.uint32))


@pytest.mark.parametrize("exponent", [-64, -9, 5, 64])
def test_integers_with_an_implied_exponent(exponent):
    format = se8()
    for dtype in (np.int8, np.int16, np.int32):
        bits = np.dtype(dtype).itemsize * 8
        type = input_type(f"s{bits}e{exponent}")
        scale = Scale.from_step(2.0 ** (exponent + bits - 9) * 1.2)
        x = np.linspace(-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1, 999).astype(dtype)
        codes = array.quantize(x, format, scale, exponent=np.int8(exponent))
        assert codes.tolist() == [scalar.quantize(n % (1 << bits), type, format, scale).code for n in x.tolist()]
        assert len(set(codes.tolist())) > 100
        flagged = array.quantize_flags(x, format, scale, exponent=exponent)
        np.testing.assert_array_equal(flagged.codes, codes)


@pytest.mark.every(3)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("step", [0.0177, 2.0**-40 / 3, 1e29])
def test_float64_beside_every_edge(name, step):
    format, oracle, scale = oracles.make(name), oracles.ORACLES[name], Scale.from_step(step)
    s, points = Fraction(2) ** scale.k / scale.M, set()
    edges = oracle.thresholds
    for threshold in edges[:: max(1, len(edges) // 600)] + edges[-2:]:
        point = float(threshold * s)
        up = down = point
        points.add(point)
        for _ in range(3):
            up, down = np.nextafter(up, np.inf), np.nextafter(down, -np.inf)
            points |= {float(up), float(down)}
    x = np.array([*points, 0.0, -0.0, 5e-324, -5e-324, 1.7e308, -1.7e308])
    got = array.quantize_flags(x, format, scale)
    expected = [oracle.quantize(Fraction(float(value)) / s) for value in x]
    np.testing.assert_array_equal(to_bits(got.codes, format), [code for code, _ in expected])
    np.testing.assert_array_equal(got.saturated, [saturated for _, saturated in expected])
    assert not got.nan.any()


def test_float64_beside_the_edge_where_int8_saturates():
    # the product rounds onto the edge, from the inside: the last table row is beyond it
    reached = 0
    for M in range(0xAAAB, 0xAABB):
        scale = Scale(M=M, k=15)
        edge = -Fraction(257, 2) / scale.reciprocal
        x = np.array([float(edge) + n * 2.0**-46 for n in range(-3, 4)])
        inside = np.array([Fraction(value) > edge for value in x.tolist()])
        reached += (x[inside] * float(scale.reciprocal) == -128.5).any()
        np.testing.assert_array_equal(array.quantize_flags(x, int8(), scale).saturated, ~inside)
        np.testing.assert_array_equal(array.quantize_flags(x.astype(">f8"), int8(), scale).saturated, ~inside)
    assert reached > 3


def test_float64_is_linear_in_the_number_of_suspects():
    x = np.arange(-(1 << 15), 1 << 15) / 2.0**5  # every product is an integer
    x = np.repeat(x, 4)
    codes = array.quantize(x, oracles.make("int12"), Scale.from_step(1.0))
    assert len(np.unique(codes)) > 2000
    expected = array.quantize(x.astype(np.float32), oracles.make("int12"), Scale.from_step(1))
    np.testing.assert_array_equal(codes, expected)


def test_float64_nan_and_infinity():
    x = np.array([np.nan, np.inf, -np.inf, 1.0])
    got = array.quantize_flags(x, se9_paper(), Scale.from_step(1.0))
    assert got.codes.tolist() == [0, 255, 511, 4]
    assert got.saturated.tolist() == [False, True, True, False]
    assert got.nan.tolist() == [True, False, False, False]


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64, np.int8, np.int16, np.int32])
def test_layouts(dtype, rng):
    format, scale = se8(), Scale.from_step(0.6)
    x = rng.integers(-120, 120, (5, 6, 8)).astype(dtype)
    expected = array.quantize(x, format, scale)
    assert expected.shape == x.shape
    assert expected.flags.c_contiguous
    fortran = np.asfortranarray(x)
    assert not fortran.flags.c_contiguous
    for view in (np.s_[::-1], np.s_[:, ::2, 1::3], np.s_[..., 0], np.s_[2, 3, 4], np.s_[:, :0], np.s_[None]):
        for source in (x, fortran):
            got = array.quantize_flags(source[view], format, scale)
            np.testing.assert_array_equal(got.codes, expected[view])
            assert got.codes.shape == got.saturated.shape == got.nan.shape == expected[view].shape
    np.testing.assert_array_equal(array.quantize(x.T, format, scale), expected.T)
    if dtype is not ml_dtypes.bfloat16:
        swapped = x.astype(x.dtype.newbyteorder(">"))
        np.testing.assert_array_equal(array.quantize(swapped, format, scale), expected)
    read_only = x.copy()
    read_only.flags.writeable = False
    before = x.tobytes()
    np.testing.assert_array_equal(array.quantize(read_only, format, scale), expected)
    assert x.tobytes() == before
    zero_dimensional = array.quantize(x[0, 0, 0, ...], format, scale)
    assert zero_dimensional.shape == ()
    assert zero_dimensional == expected[0, 0, 0]


def test_blocks_do_not_show(rng):
    x = rng.normal(0, 1, array._BLOCK * 2 + 77).astype(np.float32)
    x[array._BLOCK + 5] = np.nan  # in the middle block only
    whole = array.quantize_flags(x, se8(), Scale.from_step(0.02))
    parts = [array.quantize_flags(part, se8(), Scale.from_step(0.02)) for part in np.array_split(x, 7)]
    for field in range(3):
        np.testing.assert_array_equal(whole[field], np.concatenate([part[field] for part in parts]))
    assert np.flatnonzero(whole.nan).tolist() == [array._BLOCK + 5]
    assert whole.codes[array._BLOCK + 5] == se8().zero_code


def test_int8_differs_from_torch_fake_quantize_at_ties_only(rng):
    torch = pytest.importorskip("torch")
    # ties, every sixteenth of a step, and random values; the reciprocal is a power of two, exact for both
    x = np.concatenate([np.arange(-150, 150, 1 / 16), rng.normal(0, 60, 100_000)]).astype(np.float32)
    ours = array.dequantize(array.quantize(x, int8(), Scale.from_step(1.0)), int8(), Scale.from_step(1.0))
    theirs = torch.fake_quantize_per_tensor_affine(torch.from_numpy(x), 1.0, 0, -128, 127).numpy()
    differ = ours != theirs
    tie = np.abs(x - np.trunc(x)) == 0.5
    even_below = np.trunc(np.abs(x)) % 2 == 0
    np.testing.assert_array_equal(differ, tie & even_below & (np.abs(x) < 127.5))
    assert differ.any()
    half_away = np.clip(np.copysign(np.floor(np.abs(x.astype(np.float64)) + 0.5), x), -128, 127)
    np.testing.assert_array_equal(ours, half_away)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_, np.complex64, np.longdouble, object, "U3", "M8[s]"])
def test_other_dtypes_are_refused(dtype):
    x = np.zeros(3, dtype)
    text = f"Array dtype must be one of float16, .*, int32, not {re.escape(x.dtype.name)}$"
    with pytest.raises(InputError, match=text):
        array.quantize(x, se8(), Scale.from_step(1.0))


def test_float8_of_ml_dtypes_is_refused():
    with pytest.raises(InputError, match="not float8_e4m3fn"):
        array.quantize(np.zeros(3, ml_dtypes.float8_e4m3fn), se8(), Scale.from_step(1.0))


@pytest.mark.parametrize("exponent", [65, -65, 10**6, 10**30])
def test_exponents_out_of_range_are_refused(exponent):
    with pytest.raises(InputError, match=f"Exponent must be from -64 to 64, not {exponent}"):
        array.quantize(np.zeros(3, np.int16), se8(), Scale.from_step(1.0), exponent=exponent)


def test_exponents_are_integers_and_for_integers():
    with pytest.raises(InputError, match="Exponent must be 0 for floating-point inputs, not 1"):
        array.quantize_flags(np.zeros(3, np.float16), se8(), Scale.from_step(1.0), exponent=1)
    with pytest.raises(TypeError):
        array.quantize(np.zeros(3, np.int16), se8(), Scale.from_step(1.0), exponent=1.5)
