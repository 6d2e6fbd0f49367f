"""Input types: decoded numbers against NumPy's and ml_dtypes' own, names, rules."""

from fractions import Fraction

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import InputType, Number, input_type
from tests.golden.formats import oracles


def value(number) -> Fraction:
    return (-1) ** number.negative * number.significand * Fraction(2) ** number.exponent


def check(name: str, patterns: np.ndarray) -> None:
    type = input_type(name)
    values = oracles.patterns_to_numbers(patterns, name)
    for pattern, expected in zip(patterns.tolist(), values, strict=True):
        number = type.decode(pattern)
        assert number.nan == np.isnan(expected)
        assert number.infinite == np.isinf(expected)
        assert number.negative == bool(pattern >> (type.width - 1))
        if np.isfinite(expected):
            assert value(number) == oracles.exact(expected)
            assert number.significand < 1 << type.significand_bits
            assert number.exponent >= type.min_exponent


@pytest.mark.every(4)
@pytest.mark.parametrize("name", ["fp16", "bf16", "s16"])
def test_all_16_bit_patterns(name):
    check(name, np.arange(65536, dtype=np.uint32))


@pytest.mark.parametrize("name", ["fp32", "s32", "s24", "s8"])
def test_random_patterns(name, rng):
    width = input_type(name).width
    ends = [0, 1, (1 << (width - 1)) - 1, 1 << (width - 1), (1 << width) - 1]
    special = [0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0x7F800000, 0x7F800001, 0x80000001] if name == "fp32" else []
    check(name, np.array([*ends, *special, *rng.integers(0, 1 << width, 5000).tolist()], np.uint32))


def test_bfloat16_is_ml_dtypes_bfloat16():
    patterns = np.arange(0x7F80, dtype=np.uint32)
    theirs = oracles.patterns_to_values(patterns, "bf16").astype(np.float64)
    type = input_type("bf16")
    assert all(value(type.decode(p)) == Fraction(x) for p, x in zip(patterns.tolist(), theirs.tolist(), strict=True))


@pytest.mark.parametrize(
    ("name", "properties"),
    [
        ("fp32", (True, 32, 23, 24, -149)),
        ("fp16", (True, 16, 10, 11, -24)),
        ("bf16", (True, 16, 7, 8, -133)),
        ("s8", (False, 8, None, 8, 0)),
        ("s16e-8", (False, 16, None, 16, -8)),
    ],
)
def test_properties(name, properties):
    type = input_type(name)
    fraction_bits = type.fraction_bits if type.is_float else None
    assert (type.is_float, type.width, fraction_bits, type.significand_bits, type.min_exponent) == properties


def test_names():
    assert input_type("s16e-8") == InputType(name="s16e-8", width=16, exponent=-8)
    assert input_type("s16e0") == input_type("s016") == input_type("s16e-0") == input_type("s16")
    assert input_type("s16e+8") == input_type("s16e8") == input_type("s16e08")
    for name in ("fp32", "fp16", "bf16", "s2", "s32", "s24e-64", "s24e64"):
        assert input_type(name).name == name
        assert input_type(input_type(name).name) == input_type(name)


def test_implied_exponent():
    assert value(input_type("s8e-3").decode(0xFF)) == Fraction(-1, 8)
    assert value(input_type("s8e3").decode(0x80)) == -1024


@pytest.mark.parametrize("pattern", [np.uint16(0x8001), np.int64(0x8001), np.uint32(0x8001)])
@pytest.mark.parametrize("name", ["fp16", "bf16", "s16"])
def test_numpy_integers(name, pattern):
    number = input_type(name).decode(pattern)
    assert number == input_type(name).decode(0x8001)
    assert {type(number.significand), type(number.exponent)} == {int}


UNKNOWN = ["", "fp8", "FP32", "s", "16", "u8", "s-8", "s8e", "s8e-", "s8.5", "s999999", "s8e1000", "s8\n", "s٨"]


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_names(name):
    with pytest.raises(InputError, match=r"^Input type must be fp32, fp16, bf16, sW or sWeE .*, not ") as error:
        input_type(name)
    assert str(error.value).endswith(repr(name))


@pytest.mark.parametrize("name", ["s0", "s1", "s33", "s999"])
def test_widths(name):
    with pytest.raises(InputError, match=f"^Input type sW must have a width from 2 to 32, not '{name}'$"):
        input_type(name)


@pytest.mark.parametrize("name", ["s8e65", "s8e-65", "s32e999"])
def test_exponents(name):
    with pytest.raises(InputError, match=f"^Input type sWeE must have an exponent from -64 to 64, not '{name}'$"):
        input_type(name)


@pytest.mark.parametrize(("name", "bits"), [("fp16", 65536), ("fp16", -1), ("fp32", 1 << 32), ("s8", 256), ("s8", -1)])
def test_patterns_out_of_range(name, bits):
    type = input_type(name)
    with pytest.raises(InputError, match=rf"^Input bits must be from 0 to 2\*\*{type.width} - 1, not {bits}$"):
        type.decode(bits)


def test_patterns_are_integers():
    with pytest.raises(TypeError):
        input_type("fp16").decode(1.0)


@pytest.mark.parametrize("name", ["fp32", "fp16", "bf16"])
def test_what_is_no_number_has_the_value_zero(name):
    type = input_type(name)
    infinity = ((1 << type.exponent_bits) - 1) << type.fraction_bits
    assert type.decode(infinity) == Number(False, 0, 0, infinite=True)
    assert type.decode(infinity | 1 << (type.width - 1)) == Number(True, 0, 0, infinite=True)
    assert type.decode(infinity + 1) == Number(False, 0, 0, nan=True)
