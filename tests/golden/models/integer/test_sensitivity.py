"""Each tensor rounded alone, and all together: nearly what the integer model computes."""

import pytest
import torch

from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.sensitivity import alone, tensors, together, weights
from tests.golden.models.integer import small


def error(kind, forward) -> float:
    """Mean squared error of the logits."""
    ids = small.text().view(8, 128)
    with torch.no_grad():
        return float((forward(ids) - small.model(kind)(ids)).square().mean())


@pytest.mark.parametrize(("kind", "bits"), [("mamba1", 8), ("mamba1", 16), ("mamba2", 8), ("mamba2", 16)])
def test_all_together_lose_what_the_integer_model_loses(kind, bits):
    formats = small.formats(kind, local_bits=bits)
    exact = error(kind, IntegerMamba.of(small.model(kind), formats))
    assert error(kind, together(small.model(kind), formats)) == pytest.approx(exact, rel=0.1)


@pytest.mark.every(2)
@pytest.mark.parametrize("kind", small.KINDS)
def test_every_tensor_loses_something_and_less_than_all(kind):
    formats = small.formats(kind, local_bits=8)
    most = error(kind, together(small.model(kind), formats))
    layer = small.KINDS[kind][1]
    for name in (*tensors(layer), *weights(layer)):
        assert 1e-13 < error(kind, alone(small.model(kind), formats, name)) < most, name
