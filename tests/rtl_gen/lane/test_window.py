"""The window, in Python integers: cutting the product to it loses no bit that the code depends on."""

from fractions import Fraction

import pytest

from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.formats.scalar import quantize_position
from qse_hw.golden.formats.scale import MAX_LOG2_STEP, MAX_SCALE_BITS, Scale
from qse_hw.rtl_gen.lane.piecewise import guard_bits
from qse_hw.rtl_gen.lane.window import K_MAX, K_MIN, Window
from tests.rtl_gen.formats import ALL, INPUTS, SCALE_BITS, SHIPPED, make, random_format, random_scale, scale_for


def through_window(window, number, scale, format):
    """(T, exact) of a finite input as a lane computes them, T at most ``2**bits``."""
    product = number.significand * scale.M
    constant, from_k = window.distance or (0, False)
    biased = number.exponent - number.lowest + 1 if number.is_float else 0  # 1 for subnormals, too
    distance = constant + (scale.k if from_k else 0) - biased if window.distance else 0
    if distance < 0:
        subnormal = number.is_float and number.significand < number.hidden
        if number.is_float and not subnormal:
            return 1 << window.bits, True
        distance = 0
    shift = window.lowest + min(distance, window.width)
    T = product >> shift if shift >= 0 else product << -shift
    exact = shift <= 0 or product % (1 << shift) == 0
    return min(T, 1 << window.bits), exact


class Finite:
    """An input number and the values that a lane derives from its type."""

    def __init__(self, bits, input):
        number = input.decode(bits)
        self.negative, self.significand, self.exponent = number.negative, number.significand, number.exponent
        self.is_float, self.lowest, self.hidden = input.is_float, input.min_exponent, 1 << input.fraction_bits
        self.finite = not (number.nan or number.infinite)


def check(format, input, scale, runtime, rng):
    window = Window.of(format, input, None if runtime else scale, scale.bits)
    for bits in rng.integers(0, 1 << input.width, 60).tolist():
        if input.is_float and bits % 3 == 0:  # near the format's range, where it matters
            exponent = (float(scale.step).hex().split("p")[1], rng.integers(-6, 9))
            biased = int(exponent[0]) + int(exponent[1]) + (1 << (input.exponent_bits - 1)) - 1
            biased = min(max(biased, 0), (1 << input.exponent_bits) - 2)
            bits = bits & ((1 << input.fraction_bits) - 1) | biased << input.fraction_bits
        number = Finite(bits, input)
        if not number.finite:
            continue
        exact_position = Fraction(number.significand) * Fraction(2) ** number.exponent * scale.reciprocal
        exact_position *= Fraction(2) ** (format.fraction_bits + 1)
        want = int(exact_position)
        T, exact = through_window(window, number, scale, format)
        assert T == min(want, 1 << window.bits), f"{bits:#x} {input.name} {scale} {format}"
        if T < 1 << window.bits and guard_bits(format):
            assert exact == (exact_position == want), f"{bits:#x} {input.name} {scale} {format}"


@pytest.mark.parametrize("name", ALL)
def test_what_is_beyond_the_window_saturates(name):
    format = make(name)
    bits = Window.of(format, input_type("fp32"), None, 16).bits
    for T in ((1 << bits), (1 << bits) + 1, 1 << 40):
        for negative in (False, True):
            position = -T if negative and not format.signed else T
            assert quantize_position(position, True, negative, format).saturated


@pytest.mark.parametrize("runtime", [False, True])
@pytest.mark.parametrize("input_name", INPUTS)
def test_nothing_that_decides_is_cut(input_name, runtime, rng):
    input = input_type(input_name)
    for name in SHIPPED:
        for bits in SCALE_BITS:
            check(make(name), input, scale_for(input, bits), runtime, rng)


@pytest.mark.parametrize("runtime", [False, True])
def test_nothing_that_decides_is_cut_at_any_scale(runtime, rng):
    for _ in range(60):
        input = input_type(str(rng.choice([*INPUTS, "s2", "s32e-64", "s32e64", "s5e17"])))
        check(random_format(rng), input, random_scale(rng, int(rng.integers(1, MAX_SCALE_BITS + 1))), runtime, rng)


@pytest.mark.parametrize("input_name", INPUTS)
def test_only_fixed_point_at_a_constant_scale_needs_no_shifter(input_name):
    input = input_type(input_name)
    constant = Window.of(make("se8"), input, scale_for(input, 16), 16)
    runtime = Window.of(make("se8"), input, None, 16)
    assert (constant.distance is None) == (not input.is_float)
    assert runtime.distance is not None
    assert runtime.distance[1]
    assert constant.width <= runtime.width
    assert constant.product_bits == runtime.product_bits == input.significand_bits + 16


def test_k_fits():
    """The ports hold the k of every scale."""
    for bits in range(1, MAX_SCALE_BITS + 1):
        for step in (Fraction(2) ** MAX_LOG2_STEP, Fraction(2) ** -MAX_LOG2_STEP):
            assert K_MIN <= Scale.from_step(step, bits).k <= K_MAX
        lowest = Scale(M=(1 << bits) - 1, k=bits - MAX_LOG2_STEP, bits=bits)
        assert K_MIN <= lowest.k
    assert (K_MIN, K_MAX) == (-MAX_LOG2_STEP - 1, MAX_LOG2_STEP + MAX_SCALE_BITS)
