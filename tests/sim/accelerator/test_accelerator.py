"""A Mamba in Verilog equals the integer model in every value of every tensor, token after token."""

from dataclasses import replace

import numpy as np
import pytest

from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.taps import Taps
from qse_hw.sim.accelerator.accelerator import Accelerator
from qse_hw.sim.accelerator.compare import ORDER, compare
from tests.golden.models.integer import small

PER_TOKEN = 2 * (24 * 3 + 48 * 8 + 3 + 4 * 2 + 48 * 4) + 24 * 2 + 37
"""Values: of each layer those of d_model, d_inner, dt_rank, B and C, states; residual, last norm, logits."""


class Reference:
    """The integer model at the start of a sequence."""

    def __init__(self, parameters):
        self._model = IntegerMamba(parameters)
        self._taps, self._states, self._token = Taps(self._model), self._model.start(1), 0

    def check(self, token, stepped):
        """The values that were compared."""
        logits = self._model.forward(np.array([[token]]), self._states)
        comparison = compare(self._token, self._taps.take(), stepped.tensors)
        assert comparison.first is None, str(comparison.first)
        np.testing.assert_array_equal(stepped.logits, logits[0, 0])
        self._token += 1
        return comparison.values


def test_every_value_of_two_sequences(accelerator):
    """With memories and a sink that stall; the second sequence is as good as after a reset."""
    ids = small.text().tolist()
    for sequence in (ids[:6], ids[40:43]):
        reference = Reference(accelerator.parameters)
        accelerator.restart()
        for token in sequence:
            stepped = accelerator.step(token)
            assert {name for _, name in stepped.tensors} == set(ORDER)
            assert reference.check(token, stepped) == PER_TOKEN


@pytest.mark.parametrize("cycles", [10, 60, 150, 400, 700, 1000])
def test_a_reset_within_a_token(accelerator, cycles):
    """Whatever the unit was computing, the next tokens are those of a fresh start; parameters stay."""
    first, second, *_ = small.text().tolist()[100:]
    accelerator.reset()
    accelerator.step(first)
    with pytest.raises(RuntimeError, match=f"outputs came within {cycles} cycles"):
        accelerator.step(second, limit=cycles)
    accelerator.reset()
    reference = Reference(accelerator.parameters)
    for token in (second, first):
        assert reference.check(token, accelerator.step(token)) == PER_TOKEN


@pytest.mark.full
@pytest.mark.parametrize(
    "sizes",
    [
        {"rows": 1, "columns": 1, "scan_lanes": 1, "hadamard_lanes": 1},
        {"rows": 5, "columns": 6, "scan_lanes": 4, "hadamard_lanes": 1},
        {"rows": 16, "columns": 8, "scan_lanes": 1, "hadamard_lanes": 4, "target": "ecp5"},
    ],
    ids=str,
)
def test_other_sizes(small_config, sizes, tmp_path):
    accelerator = Accelerator(replace(small_config, **sizes), tmp_path, short=True)
    reference = Reference(accelerator.parameters)
    for token in small.text().tolist()[:3]:
        assert reference.check(token, accelerator.step(token)) == PER_TOKEN
    accelerator.close()


@pytest.mark.full
def test_the_state_is_carried_over_many_tokens(small_config, tmp_path):
    accelerator = Accelerator(small_config, tmp_path)
    reference = Reference(accelerator.parameters)
    for token in small.text().tolist()[:512]:
        reference.check(token, accelerator.step(token))
    accelerator.close()
