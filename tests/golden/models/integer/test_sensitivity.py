"""Each tensor rounded alone, and all together: nearly what the integer model computes."""

import pytest
import torch

from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.sensitivity import TENSORS, WEIGHTS, alone, together
from tests.golden.models.integer import small


def error(forward) -> float:
    """Mean squared error of the logits."""
    ids = small.text().view(8, 128)
    with torch.no_grad():
        return float((forward(ids) - small.model()(ids)).square().mean())


@pytest.mark.parametrize("bits", [8, 16])
def test_all_together_lose_what_the_integer_model_loses(bits):
    formats = small.formats(local_bits=bits)
    exact = error(IntegerMamba.of(small.model(), formats))
    assert error(together(small.model(), formats)) == pytest.approx(exact, rel=0.1)


def test_every_tensor_loses_something_and_less_than_all():
    formats = small.formats(local_bits=8)
    most = error(together(small.model(), formats))
    for name in (*TENSORS, *WEIGHTS):
        assert 1e-13 < error(alone(small.model(), formats, name)) < most, name
