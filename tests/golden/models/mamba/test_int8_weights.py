"""Weights rounded to int8 times a scale: against plain arithmetic, exact, and what they refuse."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.int8_weights import linears, quantize_weights, stored_tensors
from qse_hw.golden.models.mamba.model import Mamba


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_every_row_is_int8_times_a_scale_of_16_bits(theirs: Any, dtype: torch.dtype) -> None:
    before = {name: p.detach().clone() for name, p in theirs.to(dtype).named_parameters()}
    assert quantize_weights(theirs) is theirs
    stored = stored_tensors(theirs)
    kinds = {"in_proj", "out_proj"} | (set() if theirs.config.model_type == "mamba2" else {"x_proj", "dt_proj"})
    assert {name.split(".")[-2] for name in stored} == kinds
    assert len(stored) == 2 * 3 * len(kinds)
    for name, p in theirs.named_parameters():
        old = before[name].double().numpy()
        new = p.detach().double().numpy()
        if name not in stored:
            assert np.array_equal(new, old)
            continue
        codes, scale = stored[name].numpy()[..., 0].astype(np.int64), stored[f"{name}_scale"].double().numpy()
        assert np.abs(codes).max() == 127
        assert np.array_equal(np.frexp(scale)[0] * 2**16 % 1, np.zeros_like(scale))
        assert np.allclose(scale, np.abs(old).max(axis=1, keepdims=True) / 127, rtol=2**-16, atol=0)
        assert np.array_equal(new, torch.from_numpy(codes * scale).to(dtype).double().numpy())  # float64: exact
        assert (np.abs(codes * scale - old) <= scale * 0.501).all()


def test_rounding_again_changes_nothing(theirs: Any) -> None:
    first = {name: tensor.clone() for name, tensor in quantize_weights(theirs).state_dict().items()}
    stored = stored_tensors(theirs)
    again = stored_tensors(quantize_weights(theirs))
    assert all(torch.equal(tensor, first[name]) for name, tensor in theirs.state_dict().items())
    assert all(torch.equal(tensor, again[name]) for name, tensor in stored.items())
    converted = stored_tensors(theirs.bfloat16())  # the weights are rounded, codes and scales are not
    assert all(torch.equal(tensor, converted[name]) for name, tensor in stored.items())


def test_a_row_of_zeros_and_the_smallest_numbers(ours: Mamba) -> None:
    linear = ours.blocks[0].mixer.out_proj
    tiny = torch.finfo(torch.float32).tiny
    with torch.no_grad():
        linear.weight[0] = 0
        linear.weight[1] = tiny * torch.linspace(-1, 1, linear.in_features)
    expected = linear.weight.detach()[1].clone()
    quantize_weights(ours)
    assert not linear.weight[0].any()
    assert torch.allclose(linear.weight[1], expected, atol=tiny / 200)
    stored_tensors(ours)


def test_what_is_refused_leaves_the_model(ours: Mamba) -> None:
    name, last = list(linears(ours))[-1]
    with torch.no_grad():
        last.weight[0, 0] = torch.inf
    before = {key: tensor.clone() for key, tensor in ours.state_dict().items()}
    with pytest.raises(InputError, match=rf"^Weights of {name} must be finite to be quantized, but have NaN or inf"):
        quantize_weights(ours)
    assert all(torch.equal(tensor, before[key]) for key, tensor in ours.state_dict().items())
    assert stored_tensors(ours) == {}
    with pytest.raises(InputError, match=r"^Model must be a Mamba of this package or of transformers, not Linear$"):
        quantize_weights(nn.Linear(2, 2))


def test_weights_trained_since_are_refused_until_they_are_rounded_again(ours: Mamba) -> None:
    quantize_weights(ours)
    name, linear = next(linears(ours))
    with torch.no_grad():
        linear.weight[3, 4] += 0.001
    with pytest.raises(InputError, match=rf"^Weights of {name} must be int8 times their scale, .*; call quantize_weig"):
        stored_tensors(ours)
    assert stored_tensors(quantize_weights(ours))
