"""Captured activations are the model's own."""

import numpy as np
import pytest
import torch

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.capture import capture
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Mamba, MambaConfig


@pytest.fixture(scope="module")
def model() -> Mamba:
    torch.manual_seed(7)
    return Mamba(MambaConfig(d_model=32, n_layer=2, vocab_size=61)).eval()


IDS = torch.randint(61, (400,), generator=torch.Generator().manual_seed(8))


@pytest.mark.parametrize("tokens", [1, 16, 40, 128, 300])
def test_equal_to_one_sequence_at_a_time(model: Mamba, tokens: int) -> None:
    got = capture(model, IDS, tokens=tokens, batch_length=16)
    assert list(got) == ["layers.0.x", "layers.1.x"]
    expected: dict[int, list[torch.Tensor]] = {0: [], 1: []}

    def keep(layer: int, name: str, x: torch.Tensor) -> torch.Tensor:
        expected[layer].append(x[0])
        return x

    with torch.inference_mode():
        for start in range(0, tokens, 16):
            model(IDS[start : min(start + 16, tokens)][None], keep)
    for layer, parts in expected.items():
        x = got[f"layers.{layer}.x"]
        assert (x.shape, x.dtype) == ((tokens, 64), np.float32)
        np.testing.assert_allclose(
            x, torch.cat(parts).numpy(), rtol=1e-5, atol=1e-6
        )  # a batched product rounds differently


def test_a_mamba2_has_b_and_c_too() -> None:
    torch.manual_seed(7)
    model = Mamba(Mamba2Config(d_model=32, n_layer=2, vocab_size=61, d_state=8, headdim=16, ngroups=2)).eval()
    got = capture(model, IDS, tokens=40, batch_length=16, names=("C", "x"))
    assert {name: tensor.shape for name, tensor in got.items()} == {
        "layers.0.C": (40, 16),
        "layers.0.x": (40, 64),
        "layers.1.C": (40, 16),
        "layers.1.x": (40, 64),
    }


def test_too_few_tokens(model: Mamba) -> None:
    with pytest.raises(InputError, match="at most the text's 400, not 401"):
        capture(model, IDS, tokens=401)
    with pytest.raises(InputError, match="must be positive, not 0 and 512"):
        capture(model, IDS, tokens=0)
