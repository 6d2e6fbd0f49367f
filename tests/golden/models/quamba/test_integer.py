"""Every integer kernel against Python integers and fractions, ties, limits and bad input included."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.quamba.integer import (
    IntegerLinear,
    dequantize,
    multiplier,
    quantize,
    quantize_weight,
    requantize,
    to_float16,
)
from qse_hw.golden.models.quamba.layers import HadamardLinear, IntegerConv
from tests.golden.models.quamba import oracle

SCALES = [Scale.from_step(step) for step in (1.0, 0.25, 0.1, 3e-5, 7.3, 2.0**-100, 2.0**100)]
ROUNDINGS = {"half even": oracle.even, "half away": oracle.away}


def nearby(step: float, dtype: torch.dtype) -> torch.Tensor:
    """Values around every tie and limit of an int8 code, and random ones."""
    ties = torch.arange(-131, 131, dtype=torch.float64).add(0.5).mul(step).to(dtype)
    parts = [ties]
    for target in (float("inf"), -float("inf")):
        parts.append(torch.nextafter(ties, torch.full_like(ties, target)))
    parts.append((torch.randn(500, generator=torch.Generator().manual_seed(4)) * 60 * step).to(dtype))
    return torch.cat([part[part.isfinite()] for part in parts])


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_quantize(scale, rounding):
    for dtype in (torch.float32, torch.float16):
        x = nearby(float(scale.step), dtype)
        codes = quantize(x, scale, rounding)
        assert codes.dtype == torch.int8
        assert np.array_equal(codes.numpy(), oracle.codes(x.numpy(), scale, ROUNDINGS[rounding]))


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_quantize_takes_what_is_no_number(rounding):
    x = torch.tensor([[float("nan"), float("inf")], [-float("inf"), -0.0]])
    assert quantize(x, Scale.from_step(1.0), rounding).tolist() == [[0, 127], [-128, 0]]


def test_ties_differ_between_the_roundings():
    x = torch.tensor([0.5, 1.5, 2.5, -0.5, -2.5])
    unit = Scale.from_step(1.0)
    assert quantize(x, unit, "half even").tolist() == [0, 2, 2, 0, -2]
    assert quantize(x, unit, "half away").tolist() == [1, 2, 3, -1, -3]


def test_half_even_refuses_what_it_cannot_multiply_exactly():
    with pytest.raises(InputError, match=r"not torch\.float64"):
        quantize(torch.zeros(1, dtype=torch.float64), Scale.from_step(1.0), "half even")


def test_dequantize_rounds_step_and_product_to_float32():
    codes = torch.arange(-128, 128, dtype=torch.int8)
    step = Fraction(1, 3)
    expected = np.arange(-128, 128).astype(np.float32) * np.float32(1 / 3)
    assert np.array_equal(dequantize(codes, step).numpy(), expected)
    assert dequantize(codes, step).dtype == torch.float32


@pytest.mark.parametrize("seed", range(5))
def test_quantize_weight(seed):
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(9, 31, generator=generator) * 10.0 ** (seed - 3)
    w[0, :20] = w.abs().max() * (torch.arange(20) + 0.5) / 127  # next to ties
    result = quantize_weight(w, "w")
    codes, step = oracle.weight(w.numpy())
    assert np.array_equal(result.codes.numpy(), codes)
    assert result.step == step
    assert int(result.codes.abs().max()) == 127


def test_weight_ties_go_to_even():
    w = torch.tensor([127.0, 0.5, 1.5, 2.5, -0.5, -1.5])
    assert quantize_weight(w, "w").codes.tolist() == [127, 0, 2, 2, 0, -2]


def test_a_weight_of_zeros_stays_one_and_nan_is_refused():
    zeros = quantize_weight(torch.zeros(3), "w")
    assert zeros.codes.dtype == torch.int8
    assert torch.equal(zeros.value, torch.zeros(3))
    with pytest.raises(InputError, match="Layer 3, w must be finite"):
        quantize_weight(torch.tensor([1.0, float("nan")]), "Layer 3, w")


@pytest.mark.parametrize(("last", "dtype"), [(8.0, torch.float32), (9.0, torch.float64)])
def test_sums_up_to_2_24_are_in_float32(last, dtype):
    linear = IntegerLinear(torch.tensor([[127.0] * 1032 + [last]]), max_input=128, where="w")
    assert linear._matrix.dtype == dtype
    x = torch.full((1, 1033), 128)
    assert linear(x).tolist() == [[(127 * 1032 + int(last)) * 128]]


@pytest.mark.parametrize("peak", [2.0**-119, 2.0**127])
def test_the_smallest_and_the_largest_weights(peak):
    w = torch.tensor([peak, -peak, peak / 3, peak * 0.9, 0.0])
    result = quantize_weight(w, "w")
    assert result.codes.tolist() == [127, -127, 42, 114, 0]
    assert np.float32(float(result.step)) >= np.finfo(np.float32).tiny
    assert (result.value - w).abs().max() <= float(result.step) / 2 + peak * 2.0**-23


@pytest.mark.parametrize("peak", [2.0**-120, 1e-45, -3.3e38])
def test_weights_whose_step_no_float32_holds_are_refused(peak):
    with pytest.raises(InputError, match=r"^Layer 3, w must be zero or have a peak from 2\*\*-119 to 2\*\*127, not "):
        quantize_weight(torch.tensor([0.0, peak]), "Layer 3, w")


def test_products_of_steps_that_no_float32_holds_are_refused():
    w, tiny = torch.full((12, 1, 2), 1e-12), Scale.from_step(2.0**-100)
    message = r"^Layer 3: step must be at least 2\*\*-126, not 6\.2[0-9]*e-45; scale weights and activations up$"
    with pytest.raises(InputError, match=message):
        IntegerConv(w, torch.ones(12), tiny.step, "Layer 3")
    with pytest.raises(InputError, match=r"^Layer 3: step must be at least 2\*\*-126, not "):
        HadamardLinear(torch.full((2, 12), 1e-12), tiny, "Layer 3")
    assert IntegerConv(w, torch.ones(12), Scale.from_step(2.0**-70).step, "Layer 3").step > 0


@pytest.mark.parametrize("ratio", [1 / 3, 1e-2, 1.7e-4, 3e-9, 1.0, 0.5, 2.0**-7, 100.3, 2.0**-90])
def test_requantize(ratio):
    by = multiplier(Fraction(ratio), Scale.from_step(1.0), "here")
    limits = [-(1 << 31), (1 << 31) - 1, 0, 1, -1]
    centers = [int(Fraction(2 * n + 1, 2) / by.reciprocal) for n in range(-130, 130)]
    near = [c + d for c in centers for d in (-1, 0, 1) if abs(c + d) < 1 << 31]
    accumulators = torch.tensor(limits + near, dtype=torch.int32)
    codes = requantize(accumulators, by)
    assert codes.dtype == torch.int8
    assert np.array_equal(codes.numpy(), oracle.requantize(accumulators.numpy(), Fraction(ratio), Fraction(1)))


def test_requantize_ties_go_to_even_and_shapes_and_strides_are_kept():
    by = multiplier(Fraction(1, 8), Scale.from_step(1.0), "here")
    accumulators = torch.tensor([[4, 12, 20], [-4, -12, -20], [1016, 1020, -1028]], dtype=torch.int32)
    expected = [[0, 2, 2], [0, -2, -2], [127, 127, -128]]
    assert requantize(accumulators, by).tolist() == expected
    assert torch.equal(requantize(accumulators.T, by), torch.tensor(expected, dtype=torch.int8).T)
    assert requantize(accumulators[:0], by).shape == (0, 3)


def test_requantize_is_the_same_across_blocks():
    by = multiplier(Fraction(1, 1000), Scale.from_step(1.0), "here")
    accumulators = torch.randint(-150_000, 150_000, (70_001,), dtype=torch.int32)
    expected = oracle.requantize(accumulators[-200:].numpy(), Fraction(1, 1000), Fraction(1))
    assert np.array_equal(requantize(accumulators, by)[-200:].numpy(), expected)


def test_requantize_stays_on_its_device():
    """On all but a CPU it takes all values at once; the device "meta" has shapes and types, and no values."""
    accumulators = torch.empty((3, 70_001), dtype=torch.int32, device="meta")
    codes = requantize(accumulators, multiplier(Fraction(1, 1000), Scale.from_step(1.0), "here"))
    assert (codes.shape, codes.dtype, codes.device.type) == ((3, 70_001), torch.int8, "meta")
    assert requantize(accumulators[:0], Scale.from_step(1.0)).shape == (0, 70_001)


def test_a_multiplier_that_no_shift_gives_is_refused():
    with pytest.raises(InputError, match=r"Layer 0, x: accumulator over output step must be below 2\^16, not 131072"):
        multiplier(Fraction(1 << 17), Scale.from_step(1.0), "Layer 0, x")
    with pytest.raises(InputError, match="Layer 0, x: the output's scale does not fit"):
        multiplier(Fraction(1, 2**150), Scale.from_step(1.0), "Layer 0, x")


@pytest.mark.every(3)
@pytest.mark.parametrize(
    ("width", "largest"), [(31, 128), (3000, 128), (5000, 127), (20_000, 127), (31, 784), (31, 1 << 15)]
)
def test_linear_accumulates_exactly(width, largest):
    generator = torch.Generator().manual_seed(5)
    w = torch.randn(5, width, generator=generator)
    layer = IntegerLinear(w, max_input=largest, where="here")
    x = torch.randint(-largest, largest + 1, (4, width), generator=generator, dtype=torch.int32)
    x[0] = largest * torch.sign(layer.codes[0])  # the largest sum
    result = layer(x)
    assert result.dtype == torch.int32
    assert np.array_equal(result.numpy(), oracle.linear(x.numpy(), oracle.weight(w.numpy())[0]))


def test_a_linear_keeps_its_codes_alone():
    """What multiplies them follows from them, and takes four to eight times their bytes."""
    layer = IntegerLinear(torch.randn(3, 5, generator=torch.Generator().manual_seed(5)), max_input=128, where="here")
    assert {name: value.dtype for name, value in layer.state_dict().items()} == {"codes": torch.int8}


def test_linear_at_the_bound_and_one_beyond_it():
    w = torch.full((1, 1000), 1.0)
    largest = ((1 << 31) - 1) // 127_000
    layer = IntegerLinear(w, max_input=largest, where="here")
    assert layer(torch.full((1, 1000), largest, dtype=torch.int32)).item() == 127_000 * largest
    with pytest.raises(InputError, match="Layer 1, x_proj: accumulators must fit into int32"):
        IntegerLinear(w, max_input=largest + 1, where="Layer 1, x_proj")


def test_float16_saturates():
    x = torch.tensor([1e6, -1e6, 65504.0, 1 / 3, 65520.0])
    assert torch.equal(to_float16(x), torch.tensor([65504, -65504, 65504, 1 / 3, 65504], dtype=torch.float16))
