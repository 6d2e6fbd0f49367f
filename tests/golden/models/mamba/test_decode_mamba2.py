"""The streaming Mamba-2 against the whole-sequence one."""

import pytest
import torch

from qse_hw.golden.models.mamba.decode import MambaDecoder
from qse_hw.golden.models.mamba.initial import initialize
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Mamba

IDS = torch.randint(61, (2, 12), generator=torch.Generator().manual_seed(2))
FLOAT32 = {"dtype": torch.float32, "state": torch.float32}


@pytest.fixture(scope="module", params=[1, 2], ids=["one group", "two groups"])
def model(request):
    sizes = {"d_model": 24, "n_layer": 3, "vocab_size": 61, "d_state": 8, "d_conv": 3, "headdim": 12}
    made = Mamba(Mamba2Config(**sizes, ngroups=request.param)).eval().requires_grad_(False)
    initialize(made, 3)
    draw = torch.Generator().manual_seed(7)
    for weight in made.parameters():  # nothing may hide behind ones and zeros
        weight.add_(torch.randn(weight.shape, generator=draw), alpha=0.3)
    return made


@torch.no_grad()
def test_each_step_is_the_models(model):
    decoder = MambaDecoder.of(model, batch=2, **FLOAT32)
    stepped = torch.stack([decoder.step(column) for column in IDS.unbind(1)], dim=1)
    expected = model(IDS)
    assert expected.abs().max() > 1
    assert (stepped - expected).norm() < 1e-5 * expected.norm()  # sums in another order
    decoder.reset()
    assert torch.equal(decoder.prefill(IDS), stepped[:, -1])


@torch.no_grad()
def test_generated_tokens_are_the_models(model):
    ids = IDS
    for _ in range(6):
        ids = torch.cat((ids, model(ids)[:, -1:].argmax(-1)), dim=1)
    decoder = MambaDecoder.of(model, batch=2, **FLOAT32)
    assert torch.equal(decoder.generate(IDS, 6), ids[:, IDS.shape[1] :])


@torch.no_grad()
def test_float16_is_near(model):
    decoder = MambaDecoder.of(model, batch=2)
    assert {state.dtype for state in decoder.states()} == {torch.float16}
    logits, expected = decoder.prefill(IDS), model(IDS)[:, -1]
    assert not torch.equal(logits, expected)
    assert (logits - expected).norm() < 0.03 * expected.norm()
