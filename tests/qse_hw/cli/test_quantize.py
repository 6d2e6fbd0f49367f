"""quantize and dequantize: the golden model on files."""

import re
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from qse_hw.cli import main
from qse_hw.golden.formats import scalar
from qse_hw.golden.formats.codes import code_dtype, to_bits
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.quantize import array

FORMATS = ["int8", "int8-asym", "se8:L=12", "se8-silu", "se9-paper"]


def run(command, source, target, *words):
    assert main([command, str(source), *map(str, words), "-o", str(target)]) == 0
    return np.load(target)


def sample(rng, dtype):
    if np.dtype(dtype).kind == "i":
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, (13, 17), endpoint=True).astype(dtype)
    x = rng.standard_normal((13, 17)) * np.exp(rng.uniform(-6, 6, (13, 17)))
    x[0, :6] = np.nan, np.inf, -np.inf, 0, -0.0, 1e-30
    return x.astype(dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int16", "int8", "int32", ">f4", ">i2"])
@pytest.mark.parametrize("name", FORMATS)
def test_equals_golden(out, rng, dtype, name):
    x, format = sample(rng, dtype), load_format(name)
    integer = np.dtype(dtype).kind == "i"
    exponent = -5 if integer else 0
    step = 0.037 * np.dtype(dtype).itemsize ** 4 if integer else 0.037
    np.save(out / "x.npy", x)
    numerics = ("--format", name, "--scale", step, "--scale-bits", 12)
    codes = run("quantize", out / "x.npy", out / "codes.npy", *numerics, "--exponent", exponent)
    scale = Scale.from_step(step, 12)
    assert (codes.shape, codes.dtype) == (x.shape, code_dtype(format))
    assert np.array_equal(codes, array.quantize(x, format, scale, exponent=exponent))
    if dtype in ("float32", "int16"):
        type = input_type("fp32" if dtype == "float32" else "s16e-5")
        bits = x.view(f"u{x.dtype.itemsize}").reshape(-1).tolist()
        want = [scalar.quantize(pattern, type, format, scale).code for pattern in bits]
        assert to_bits(codes, format).reshape(-1).tolist() == want
    values = run("dequantize", out / "codes.npy", out / "values.npy", *numerics)
    assert (values.shape, values.dtype) == (x.shape, np.float32)
    assert np.array_equal(values, array.dequantize(codes, format, scale))
    for value, code in zip(values.reshape(-1), to_bits(codes, format).reshape(-1).tolist(), strict=True):
        exact = scalar.dequantize(code, format) * scale.step / Fraction(2) ** format.fraction_bits
        assert abs(Fraction(float(value)) - exact) <= Fraction(float(np.spacing(abs(value)))) / 2
    again = run("quantize", out / "values.npy", out / "again.npy", *numerics)
    assert np.array_equal(array.dequantize(again, format, scale), values)  # decoded values are fixed points


def test_what_it_prints(out, capsys):
    np.save(out / "x.npy", np.array([np.nan, np.inf, 1, -99], np.float32))
    run("quantize", out / "x.npy", out / "codes.npy", "--format", "se8", "--scale", "0.02")
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "scale: s = 0.02 (1/s = M * 2**-k, M = 51200, k = 10, 16 bits)",
        f"{out / 'codes.npy'}: 4 codes of se8, uint8; 2 saturated, 1 NaN",
    ]
    run("dequantize", out / "codes.npy", out / "values.npy", "--format", "se8", "--scale", "0.02")
    assert capsys.readouterr().out.splitlines() == [said[0], f"{out / 'values.npy'}: 4 values, float32"]


@pytest.mark.parametrize("step", ["0.02", "3", "1e-30", "1e30", "0.0625", "1267650600228229401496703205376"])
@pytest.mark.parametrize("bits", [1, 8, 16, 20])
def test_the_scale_it_tells_is_the_nearest(out, capsys, step, bits):
    np.save(out / "x.npy", np.ones(1, np.float32))
    run("quantize", out / "x.npy", out / "codes.npy", "--format", "int8", "--scale", step, "--scale-bits", bits)
    M, k = map(int, re.search(r"M = (\d+), k = (-?\d+),", capsys.readouterr().out).groups())
    told, wanted = M / Fraction(2) ** k, 1 / Fraction(float(step))
    assert 1 << (bits - 1) <= M < 1 << bits
    assert abs(told - wanted) <= Fraction(1, 2) / Fraction(2) ** k


@pytest.mark.parametrize("exponent", [-100, -24, -3, 0, 5, 100])
@pytest.mark.parametrize("bits", [1, 8, 16])
def test_a_power_of_two_stays_exact(out, capsys, exponent, bits):
    steps = np.array([0, 1, -2, 77, -127], np.float64)
    np.save(out / "x.npy", steps * 2.0**exponent)
    numerics = ("--format", "int8", "--scale", repr(2.0**exponent), "--scale-bits", bits)
    codes = run("quantize", out / "x.npy", out / "codes.npy", *numerics)
    assert codes.tolist() == [0, 1, -2, 77, -127]
    assert f"M = {1 << (bits - 1)}, k = {bits - 1 + exponent}," in capsys.readouterr().out
    assert np.array_equal(run("dequantize", out / "codes.npy", out / "y.npy", *numerics), steps * 2.0**exponent)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (4, 1, 5)])
def test_any_shape(out, shape):
    np.save(out / "x.npy", np.ones(shape, np.float32))
    numerics = ("--format", "se8", "--scale", "0.5")
    codes = run("quantize", out / "x.npy", out / "codes.npy", *numerics)
    values = run("dequantize", out / "codes.npy", out / "values.npy", *numerics)
    assert codes.shape == values.shape == shape
    assert np.array_equal(values, np.ones(shape))


def test_fortran_order(out, rng):
    x = np.asfortranarray(rng.standard_normal((6, 5)))
    np.save(out / "x.npy", x)
    codes = run("quantize", out / "x.npy", out / "codes.npy", "--format", "se8", "--scale", "0.1")
    assert np.array_equal(codes, array.quantize(x, load_format("se8"), Scale.from_step(0.1)))


def test_bfloat16_and_float8(out, rng, capsys):
    """Arrays that ml_dtypes saved: two bytes can only be bfloat16; of one byte the dtype must be given."""
    format, scale = load_format("se8"), Scale.from_step(0.02)
    numerics = ("--format", "se8", "--scale", 0.02)
    told = ("--dtype", "float8_e4m3fn")
    for name, words in (("bfloat16", ()), ("bfloat16", ("--dtype", "bfloat16")), ("float8_e4m3fn", told)):
        x = rng.standard_normal((13, 17)).astype(getattr(ml_dtypes, name))
        np.save(out / "x.npy", x)
        codes = run("quantize", out / "x.npy", out / "codes.npy", *numerics, *words)
        assert np.array_equal(codes, array.quantize(x.astype(np.float32), format, scale))
    assert "warning" not in capsys.readouterr().err


def test_a_scale_that_leaves_only_the_code_of_0(out, capsys):
    np.save(out / "x.npy", np.array([0.5, -3.0, np.nan], np.float32))
    cases = ((1e3, "se8", True), (1e3, "int8-asym", True), (20.0, "se8", False), (30.0, "int8", True))
    for scale, format, warned in cases:
        run("quantize", out / "x.npy", out / "codes.npy", "--format", format, "--scale", scale)
        said = capsys.readouterr().err
        assert said.startswith("warning: Scale ") == warned
        assert ("so large that every value has the code of 0: the largest magnitude is 3\n" in said) == warned
    np.save(out / "x.npy", np.zeros(3, np.float32))
    run("quantize", out / "x.npy", out / "codes.npy", "--format", "se8", "--scale", 1e3)
    np.save(out / "x.npy", np.array([127], np.int8))
    run("quantize", out / "x.npy", out / "codes.npy", "--format", "int8", "--scale", 1, "--exponent", -7)
    assert capsys.readouterr().err == ""
    run("quantize", out / "x.npy", out / "codes.npy", "--format", "int8", "--scale", 1, "--exponent", -9)
    assert "the largest magnitude is 0.248047\n" in capsys.readouterr().err
