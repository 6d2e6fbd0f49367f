"""Scales: the nearest reciprocal, and every rule."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import MAX_SCALE_BITS, Scale, scale_from_text

BITS = st.integers(1, MAX_SCALE_BITS)


@given(step=st.floats(2.0**-100, 2.0**100), bits=BITS)
def test_from_step_is_nearest(step, bits):
    scale = Scale.from_step(step, bits)
    assert scale.M.bit_length() == scale.bits == bits
    assert scale.reciprocal == Fraction(scale.M) / Fraction(2) ** scale.k
    assert scale.reciprocal * scale.step == 1
    error = abs(scale.reciprocal - 1 / Fraction(step))
    ulp = Fraction(2) ** -scale.k
    below = ulp / 2 if 1 << (bits - 1) == scale.M else ulp  # the next smaller reciprocal is nearer there
    neighbours = [abs(scale.reciprocal + ulp - 1 / Fraction(step)), abs(scale.reciprocal - below - 1 / Fraction(step))]
    assert error <= min(neighbours)
    if error == min(neighbours):
        assert scale.M % 2 == 0 or bits == 1


@given(log2=st.integers(-100, 100), bits=BITS)
def test_powers_of_two_are_exact(log2, bits):
    scale = Scale.from_step(2.0**log2, bits)
    assert scale.step == Fraction(2) ** log2
    assert 1 << (bits - 1) == scale.M


@given(M=st.integers(1, (1 << MAX_SCALE_BITS) - 1), k=st.integers(-79, 99))
def test_a_scales_step_gives_the_scale(M, k):
    scale = Scale(M=M, k=k, bits=M.bit_length())
    assert Scale.from_step(scale.step, scale.bits) == scale


def test_rounding_up_to_the_next_power_of_two():
    assert Scale.from_step(Fraction(256, 511), 8) == Scale(M=128, k=6, bits=8)  # 1/s = 255.5 / 128
    assert Scale.from_step(Fraction(1024, 2043), 8) == Scale(M=255, k=7, bits=8)


def test_ties_go_to_even():
    assert Scale.from_step(Fraction(8, 19), 4) == Scale(M=10, k=2, bits=4)  # 9.5 / 4
    assert Scale.from_step(Fraction(8, 21), 4) == Scale(M=10, k=2, bits=4)  # 10.5 / 4


def test_the_default_is_16_bits():
    assert Scale.from_step(0.0176).bits == Scale(M=1 << 15, k=0).bits == 16


@pytest.mark.parametrize("step", [np.float32(0.25), np.float16(0.25), 0.25, Fraction(1, 4), Decimal("0.25")])
def test_kinds_of_numbers(step):
    scale = Scale.from_step(step, np.int8(4))
    assert scale == Scale(M=8, k=1, bits=4)
    assert {type(scale.M), type(scale.k), type(scale.bits)} == {int}


def test_integers_and_numpy_integers():
    assert Scale.from_step(3) == Scale.from_step(np.int16(3)) == Scale.from_step(Fraction(3))
    scale = Scale(M=np.uint16(0x8000), k=np.int64(3), bits=np.uint8(16))
    assert scale == Scale(M=0x8000, k=3)
    assert scale.reciprocal == 4096


def test_the_ends_of_the_range_are_in():
    for step in (2.0**100, 2.0**-100, math.nextafter(2.0**100, 0), math.nextafter(2.0**-100, 1)):
        for bits in (1, 16, 20):
            assert Fraction(2) ** -100 <= Scale.from_step(step, bits).step <= Fraction(2) ** 100


@pytest.mark.parametrize(
    ("step", "shown"),
    [
        (0, "0.0"),
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (-1.5, "-1.5"),
        (Fraction(-1, 3), "-0.333"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (10**400, "inf"),
        (-(10**400), "-inf"),
        (Fraction(-(10**400)), "-inf"),
        (Fraction(10**400), "inf"),
        (np.float32(np.inf), "inf"),
    ],
    ids=range(13),
)
def test_finite_and_positive(step, shown):
    with pytest.raises(InputError, match=f"^Scale must be finite and positive, not {shown}"):
        Scale.from_step(step)


@pytest.mark.parametrize("step", [2.0**101, 1e300, 2.0**-101, 5e-324, Fraction(1, 10**400), 2.0**100 * 1.0000001])
def test_out_of_range(step):
    with pytest.raises(InputError, match=r"^Scale must be from 2\*\*-100 to 2\*\*100, not \d"):
        Scale.from_step(step)


@pytest.mark.parametrize("step", [None, "0.5", "abc", b"1", True, 1j, [], [0.5], object])
def test_not_a_number(step):
    with pytest.raises(InputError, match=r"^Scale must be a number, not ."):
        Scale.from_step(step)


@pytest.mark.parametrize("bits", [0, -1, 21, 10**12])
def test_bits_out_of_range(bits):
    with pytest.raises(InputError, match=f"^Scale bits must be from 1 to 20, not {bits}$"):
        Scale.from_step(1.0, bits)
    with pytest.raises(InputError, match=f"^Scale bits must be from 1 to 20, not {bits}$"):
        Scale(M=1, k=0, bits=bits)


@pytest.mark.parametrize("M", [0, -40000, 0x7FFF, 0x10000])
def test_top_bit_of_M(M):
    with pytest.raises(InputError, match=rf"^Scale M must be from 32768 to 65535 \(16 bits, top bit set\), not {M}$"):
        Scale(M=M, k=0)


@pytest.mark.parametrize("k", [-101, 121, 10**30, -(10**30)])
def test_k_is_checked_before_it_is_used(k):
    with pytest.raises(InputError, match=f"^Scale k must be from -100 to 120, not {k}$"):
        Scale(M=1 << 15, k=k)


@pytest.mark.parametrize(("M", "k"), [(1 << 15, 116), (1 << 15, 120), (1 << 15, -86), (0xFFFF, -85)])
def test_step_out_of_range(M, k):
    with pytest.raises(InputError, match=r"^Scale step must be from 2\*\*-100 to 2\*\*100, not s = "):
        Scale(M=M, k=k)


@pytest.mark.parametrize(("M", "k", "bits"), [(32768.0, 0, 16), (32768, "0", 16), (32768, 0, None)])
def test_wrong_types(M, k, bits):
    with pytest.raises(TypeError):
        Scale(M=M, k=k, bits=bits)


def test_huge_integers():
    with pytest.raises(InputError, match=r"^Scale must be finite and positive, not inf$"):
        Scale.from_step(10**5000)


def test_text():
    assert str(Scale(M=1 << 15, k=17)) == "s = 4 (1/s = M * 2**-k, M = 32768, k = 17, 16 bits)"


def test_from_text():
    assert scale_from_text("0.25", 8) == Scale(M=128, k=5, bits=8)
    assert scale_from_text("1e-3").bits == 16
    with pytest.raises(InputError, match=r"^Scale must be a number, not 'a'$"):
        scale_from_text("a")
