"""int8 weights and their steps."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.products import NARROW, quantize_rows


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("granularity", ["row", "tensor"])
def test_the_peak_has_the_largest_code(granularity):
    weight = draw(6, NARROW + 1)
    codes, steps = quantize_rows(weight, granularity, "W")
    peaks = weight.abs().amax(1) if granularity == "row" else weight.abs().max().expand(6)
    assert steps == [Fraction(float(peak)) / 127 for peak in peaks]
    expected = [[round(Fraction(float(w)) / step) for w in row] for row, step in zip(weight, steps, strict=True)]
    assert codes.tolist() == expected


def test_of_narrow_rows_the_step_is_the_best_there_is():
    weight = draw(30, 4)
    codes, steps = quantize_rows(weight, "row", "W")
    for row, own, step in zip(weight.tolist(), codes.tolist(), steps, strict=True):
        exact = [Fraction(w) for w in row]
        peak = max(map(abs, exact))

        def error(unit: Fraction, exact: list[Fraction] = exact) -> Fraction:
            return sum(((w - round(w / unit) * unit) ** 2 for w in exact), Fraction(0))

        assert step == min((peak / high for high in range(127, 63, -1)), key=error)
        assert own == [round(w / step) for w in exact]
    assert np.abs(codes).max(axis=1).min() >= 64


def test_narrow_rows_on_a_grid_are_exact():
    weight = torch.tensor([[100.0, -7, 3, 50], [0, 0, 0, 0], [0.5, 0, 0, 0]])
    codes, steps = quantize_rows(weight, "row", "W")
    assert codes[0].tolist() == [100, -7, 3, 50]
    assert steps[0] == 1
    assert not codes[1].any()
    assert codes[2, 0] * steps[2] == Fraction(1, 2)


def test_weights_that_are_no_numbers_are_refused():
    with pytest.raises(InputError, match="W must be finite"):
        quantize_rows(torch.tensor([[1.0, float("nan")]]), "row", "W")
