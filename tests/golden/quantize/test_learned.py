"""Learned steps: the same values as fixed ones, the gradient that LSQ defines, and what training finds."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from qse_hw.golden.calibration.calibrate import Layer, calibrate
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.mamba.quantize import FakeQuantize, calibrate_model, quantize_model
from qse_hw.golden.models.mamba.quantized_checkpoint import load_quantized, save_quantized
from qse_hw.golden.quantize.array import quantize_flags
from qse_hw.golden.quantize.operators import dequantize, fake_quantize
from tests.golden.formats import oracles
from tests.golden.models.mamba.conftest import ours, theirs  # noqa: F401
from tests.golden.models.mamba.small import IDS, QUANTIZERS, logits
from tests.golden.quantize.backends import FLOATS, assigned_codes, equal, inputs


@pytest.mark.every(20)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", oracles.ORACLES)
def test_values_and_the_gradient_of_x_are_those_of_a_fixed_step(
    name: str, dtype: torch.dtype, rng: np.random.Generator
) -> None:
    format, scale = oracles.make(name), oracles.scale_for("fp32", 16)
    x = inputs(name, dtype, scale, rng, 1000)
    for zero in (False, True):
        results = []
        for learn in (False, True):
            leaf = x.clone().requires_grad_()
            values = FakeQuantize(format, scale, nan_to_zero=zero, learn_scale=learn)(leaf)
            values.nan_to_num(0.0).sum().backward()
            results.append((values.detach(), leaf.grad))
        assert equal(results[1][0], results[0][0])
        assert equal(results[1][1], results[0][1])


@pytest.mark.parametrize("name", ["se8", "se8-silu", "int8", "int8-asym", "se9-paper"])
def test_the_gradient_of_the_step(name: str, rng: np.random.Generator) -> None:
    """Against the definition: q - x/s, or q where x saturates, over sqrt(n times the largest q)."""
    format, scale = oracles.make(name), Scale.from_step(0.05)
    s = float(scale.step)
    x = torch.from_numpy(rng.normal(0, 1, 500) * 150 * s).requires_grad_()
    weights = torch.from_numpy(rng.normal(0, 1, 500))
    quantizer = FakeQuantize(format, scale, learn_scale=True)
    (quantizer(x) * weights).sum().backward()
    q = fake_quantize(x.detach(), format, scale) / s
    saturated = quantize_flags(x.detach().numpy(), format, scale).saturated
    derivative = torch.where(torch.from_numpy(saturated), q, q - x.detach() / s)
    largest = float(dequantize(assigned_codes(name), format, scale, dtype=torch.float64).abs().max()) / s
    expected = (derivative * weights).sum() / math.sqrt(500 * largest)
    assert quantizer.step is not None
    assert float(quantizer.step.grad) == pytest.approx(float(expected), rel=1e-3)
    assert 0 < saturated.sum() < 400


@pytest.mark.parametrize("start", [0.3, 3.0])
@pytest.mark.parametrize(("name", "lost"), [("int8-asym:zero_point=10", 0.1), ("se8:L=8", 1.0)])
def test_training_finds_a_least_error(name: str, lost: float, start: float, rng: np.random.Generator) -> None:
    """That of the whole range where there is one minimum; se8 has several, as values change segments."""
    z = rng.standard_normal((64, 64)).astype(np.float32) * 2
    x = torch.from_numpy(z / (1 + np.exp(-z)))
    best = calibrate([Layer(x=x)], name).layer(0)
    quantizer = FakeQuantize(best.format, float(best.scale.step) * start, learn_scale=True)
    optimizer = torch.optim.Adam(quantizer.parameters(), lr=0.05 * float(best.scale.step), betas=(0.5, 0.9))
    slower = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.98)

    def sqnr() -> float:
        with torch.no_grad():
            return float(10 * (x.square().sum() / (quantizer(x) - x).square().sum()).log10())

    before = sqnr()
    for _ in range(300):
        optimizer.zero_grad()
        (quantizer(x) - x).square().mean().backward()
        optimizer.step()
        slower.step()
    assert before < best.sqnr_db - 2
    assert sqnr() > best.sqnr_db - lost


def test_nan_and_infinities_do_not_spoil_the_step() -> None:
    quantizer = FakeQuantize(oracles.make("se8"), 0.05, learn_scale=True, nan_to_zero=True)
    quantizer(torch.tensor([math.nan, 1.0, math.inf])).sum().backward()
    assert quantizer.step is not None
    assert torch.isfinite(quantizer.step.grad)
    half = FakeQuantize(oracles.make("se8"), 2.0**12, learn_scale=True)  # its reach is beyond float16's
    half(torch.tensor([60000.0], dtype=torch.float16)).sum().backward()
    assert half.step is not None
    assert torch.isfinite(half.step.grad)


def test_a_step_that_is_no_scale_is_refused() -> None:
    quantizer = FakeQuantize(oracles.make("se8"), 0.05, learn_scale=True)
    assert repr(quantizer) == "FakeQuantize(se8, s = 0.05, learn_scale=True)"
    assert list(quantizer.state_dict()) == ["step"]
    assert quantizer.scale == Scale.from_step(0.05)
    with torch.no_grad():
        quantizer.step.neg_()  # type: ignore[union-attr]
    with pytest.raises(InputError, match=r"^Scale must be finite and positive, not -0.05"):
        quantizer(torch.ones(3))
    with pytest.raises(InputError, match=r"^learn_scale must be True or False, not 1$"):
        FakeQuantize(oracles.make("se8"), 0.05, learn_scale=1)  # type: ignore[arg-type]


def test_a_model_learns_its_scales_and_saves_them(theirs: Any, ours: Any, tmp_path: Any) -> None:  # noqa: F811
    from transformers import AutoModelForCausalLM

    for model in (ours, theirs):
        fixed = logits(quantize_model(model, QUANTIZERS))
        fingerprint = calibrate_model(model, IDS, "int8").model
        quantize_model(model, QUANTIZERS, learn_scales=True)
        assert torch.equal(logits(model), fixed)
        assert calibrate_model(model, IDS, "int8").model == fingerprint
        steps = [p for name, p in model.named_parameters() if name.endswith("quantizer.step")]
        assert len(steps) == 3
        optimizer = torch.optim.Adam(steps, lr=1e-3)
        result = model(IDS)
        (result if isinstance(result, Tensor) else result.logits).square().mean().backward()
        optimizer.step()
        learned = logits(model)
        assert not torch.equal(learned, fixed)
        if model is ours:
            save_quantized(model, tmp_path / "ours")
            loaded = load_quantized(tmp_path / "ours")
        else:
            model.save_pretrained(tmp_path / "theirs")
            loaded, info = AutoModelForCausalLM.from_pretrained(tmp_path / "theirs", output_loading_info=True)
            assert not any(info.values())
        assert torch.equal(logits(loaded), learned)
        assert not any(name.endswith("step") for name, _ in loaded.named_parameters())
