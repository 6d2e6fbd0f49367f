"""The integer model one token at a time in C++: equal on every bit with the one on arrays, which equals the scalar."""

import copy
import shutil

import numpy as np
import pytest

from qse_hw.golden.models.integer.calibrate import calibrate_integer
from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.integer.parameters import model_parameters
from qse_hw.golden.models.integer.step.model import StepModel
from qse_hw.golden.models.mamba.checkpoint import BUNDLED, BUNDLED_MAMBA2, load_model
from qse_hw.golden.models.mamba.text import read_text
from tests.golden.models.integer import small

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


def run(model, ids, sequence=0):
    """Logits of further tokens."""
    return np.stack([model.step(int(token), sequence).copy() for token in ids])


def check_states(model, states, sequence):
    """Against those of the model on arrays, whose axes have another order."""
    for memory, state in zip(model.memories, states, strict=True):
        assert np.array_equal(memory.window[sequence].T, state.window[0])
        assert np.array_equal(memory.h[sequence].T, state.h[0])
        assert memory.words[sequence] == state.word


@pytest.mark.every(6)
def test_equal_to_the_model_on_arrays(parts):
    _, fast, ids, logits, counted = parts
    model, states = StepModel(fast.parameters), fast.start(1)
    assert np.array_equal(run(model, ids), logits)
    assert {place: count for place, count in model.saturated.items() if count} == counted
    fast.forward(ids[None], states)
    check_states(model, states, 0)


@pytest.mark.every(3)
def test_sequences_do_not_meet_and_reset_empties_them(parts):
    _, fast, ids, logits, _ = parts
    model, states = StepModel(fast.parameters, 2), fast.start(1)
    fast.forward(ids[None, ::-1], states)
    rows = [(run(model, ids[::-1][at : at + 1], 0), run(model, ids[at : at + 1], 1)) for at in range(len(ids))]
    assert np.array_equal(np.concatenate([row for _, row in rows]), logits)
    check_states(model, states, 0)
    model.reset()
    assert np.array_equal(run(model, ids, 0), logits)


def test_it_cannot_be_copied():
    model = StepModel(model_parameters(small.model(), small.formats(local_bits=16)))
    with pytest.raises(TypeError, match="cannot be copied"):
        copy.deepcopy(model)


@pytest.mark.full
@pytest.mark.parametrize("directory", [BUNDLED, BUNDLED_MAMBA2], ids=["mamba1", "mamba2"])
def test_the_bundled_models(directory):
    model, text = load_model(directory), read_text(BUNDLED.parent / "text" / "calibration.txt").ids
    formats = calibrate_integer(model, text, tokens=512, options=Options(spec="int8"))
    fast = IntegerMamba.of(model, formats)
    ids = text[:100].numpy()
    step = StepModel(fast.parameters)
    assert np.array_equal(run(step, ids), fast.forward(ids[None], fast.start(1))[0])
    counted = {place: count for place, count in fast.saturated.items() if count}
    assert {place: count for place, count in step.saturated.items() if count} == counted
