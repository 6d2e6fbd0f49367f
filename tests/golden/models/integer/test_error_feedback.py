"""Weights rounded with error feedback: smaller errors of the outputs, in a checkpoint that rounds to the same codes."""

import numpy as np
import pytest
import torch

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.error_feedback import round_weights, round_with_feedback
from qse_hw.golden.models.integer.products import quantize_rows
from qse_hw.golden.models.integer.transformations import NONE, Transformations
from tests.golden.models.integer import small

GRANULARITIES = ["row", "tensor"]


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_inputs_without_correlation_leave_every_weight_at_its_nearest_code(granularity):
    weight, powers = draw(5, 12), draw(12).square() + 0.1
    codes = round_with_feedback(weight, torch.diag(powers), granularity, "W")
    assert np.array_equal(codes, quantize_rows(weight, granularity, "W")[0])


def test_inputs_that_are_always_zero_leave_every_weight_at_its_nearest_code():
    weight = draw(5, 12)
    codes = round_with_feedback(weight, torch.zeros(12, 12, dtype=torch.float64), "row", "W")
    assert np.array_equal(codes, quantize_rows(weight, "row", "W")[0])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e308])
def test_inputs_that_are_not_finite_are_refused(value):
    moments = torch.full((12, 12), value, dtype=torch.float64)
    with pytest.raises(InputError, match="W: mean products of the inputs must be finite"):
        round_with_feedback(draw(5, 12), moments, "row", "W")


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_correlated_inputs_cancel_errors(granularity):
    weight, mixing = draw(20, 32), draw(32, 32)
    x = draw(500, 8) @ mixing[:8] + 0.1 * draw(500, 32)
    moments = x.T @ x / len(x)
    plain, steps = quantize_rows(weight, granularity, "W")
    codes = round_with_feedback(weight, moments, granularity, "W")
    unit = torch.tensor([float(step) for step in steps])[:, None]

    def error(rounded) -> float:
        return float((x @ (torch.from_numpy(rounded) * unit - weight).T).square().mean())

    assert error(codes) < error(plain) / 4
    assert np.abs(codes).max() == 127
    assert np.abs(codes - plain).max() < 20


@pytest.mark.parametrize("kind", small.KINDS)
@pytest.mark.parametrize("transformations", [Transformations(), Transformations(rotate_residual=False)], ids=str)
def test_a_checkpoint_whose_weights_are_codes(kind, transformations):
    model = small.model(kind)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    done: list[int] = []
    rounded = round_weights(
        model, small.text(), tokens=512, transformations=transformations, progress=done.append
    )
    assert done == [0, 1]
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
    changed, plain = transformations.model(rounded), transformations.model(model)
    matrices = {"head": (changed.lm_head, plain.lm_head)}
    for number, (block, own) in enumerate(zip(changed.blocks, plain.blocks, strict=True)):
        for name in ("in_proj", "x_proj", "out_proj"):
            if hasattr(block.mixer, name):
                matrices[f"{name} {number}"] = getattr(block.mixer, name), getattr(own.mixer, name)
    for name, (matrix, exact) in matrices.items():
        codes, steps = quantize_rows(matrix.weight, "row", name)
        units = matrix.weight.double().numpy() / np.array([float(step) for step in steps])[:, None]
        assert np.abs(units - codes).max() < 1e-3, name
        nearest, wanted = quantize_rows(exact.weight, "row", name)
        assert [float(step) for step in steps] == pytest.approx([float(step) for step in wanted], rel=1e-6)
        assert not np.array_equal(codes, nearest), name
    ids = small.text()[512:].view(4, 128)
    with torch.no_grad():
        error = (rounded(ids) - model(ids)).square().mean() / model(ids).square().mean()
    assert 0 < error < 1e-3


def test_what_does_not_serve_is_refused():
    with pytest.raises(InputError, match="Transformations must fold the norms"):
        round_weights(small.model(), small.text(), tokens=512, transformations=NONE)
    with pytest.raises(InputError, match="Tokens must be from one sequence of 512 to the text's 1024, not 100"):
        round_weights(small.model(), small.text(), tokens=100)
