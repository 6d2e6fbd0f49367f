"""The scan against the model's own, and the state as a decoder that goes step by step stores it."""

import pytest
import torch
import torch.nn.functional as F

from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.mamba import model
from qse_hw.golden.models.quamba import scan as quantized

SCALE = Scale.from_step(0.013)


@pytest.fixture(scope="module")
def inputs():
    generator = torch.Generator().manual_seed(9)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    b, length, d, n = 2, 37, 6, 4
    return {
        "x": draw(b, length, d),
        "dt": draw(b, length, d) - 1,
        "A": -torch.exp(draw(d, n)),
        "B": draw(b, length, n),
        "C": draw(b, length, n),
        "D": draw(d),
        "z": draw(b, length, d),
        "dt_bias": draw(d),
    }


def test_equals_the_models_scan(inputs):
    assert torch.allclose(quantized.selective_scan(**inputs), model.selective_scan(**inputs), atol=1e-5)


def test_softplus_is_linear_above_20(inputs):
    one = {name: value[:1, :1] if value.ndim == 3 else value for name, value in inputs.items()}
    one["dt"] = torch.full_like(one["dt"], 21.0) - one["dt_bias"]
    y = quantized.selective_scan(**one)
    dt = one["dt"] + one["dt_bias"]
    h = dt[..., None] * one["B"][:, :, None] * one["x"][..., None]
    expected = ((h * one["C"][:, :, None]).sum(-1) + one["D"] * one["x"]) * F.silu(one["z"])
    assert torch.allclose(y, expected, rtol=1e-5)


@pytest.mark.parametrize("state", ["fp16", "int8"])
def test_the_stored_state_is_what_a_decoder_reads_back(inputs, state):
    """y comes from the state before it is rounded, the next step from the rounded one."""
    store = quantized.store_as(state, SCALE)
    delta = F.softplus(inputs["dt"] + inputs["dt_bias"])
    memory = torch.zeros(2, 6, 4)
    outputs, states = [], []
    for t in range(inputs["x"].shape[1]):
        x, B, C, z = (inputs[name][:, t] for name in ("x", "B", "C", "z"))
        inflow = (delta[:, t] * x)[..., None] * B[:, None]
        h = torch.addcmul(inflow, torch.exp(delta[:, t, :, None] * inputs["A"]), memory)
        states.append(h)
        outputs.append(((h * C[:, None]).sum(-1) + inputs["D"] * x) * F.silu(z))
        if state == "fp16":
            memory = h.half().float()
        else:
            codes = torch.round(h.double() * float(SCALE.reciprocal)).clamp(-128, 127)
            memory = codes.float() * float(SCALE.step)
    seen = []
    y = quantized.selective_scan(**inputs, store=store, observe=lambda t, h: seen.append((t, h.clone())))
    assert [t for t, _ in seen] == list(range(37))
    assert torch.allclose(y, torch.stack(outputs, 1), atol=1e-5)
    assert torch.equal(torch.stack([h for _, h in seen]), torch.stack(states))
    assert not torch.allclose(y, model.selective_scan(**inputs), atol=1e-5)


def test_an_fp32_state_is_not_touched_and_others_saturate():
    assert quantized.store_as("fp32", SCALE) is None
    wide = torch.tensor([1e9, -1e9])
    assert quantized.store_as("fp16", SCALE)(wide).tolist() == [65504.0, -65504.0]
    result = quantized.store_as("int8", SCALE)(wide)
    assert torch.allclose(result, torch.tensor([127, -128]) * 0.013, rtol=1e-4)


def test_chunks_do_not_show(inputs, monkeypatch):
    expected = quantized.selective_scan(**inputs)
    monkeypatch.setattr(quantized, "_CHUNK_VALUES", 100)
    assert torch.allclose(quantized.selective_scan(**inputs), expected, atol=1e-6)
