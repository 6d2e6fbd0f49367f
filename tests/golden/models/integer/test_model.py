"""The integer model on arrays and in Python integers: equal on every bit, however a sequence is cut."""

import numpy as np
import pytest

from qse_hw.golden.models.integer.calibrate import calibrate_integer
from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.integer.scalar import ScalarMamba
from qse_hw.golden.models.mamba.checkpoint import BUNDLED, BUNDLED_MAMBA2, load_model
from qse_hw.golden.models.mamba.text import read_text
from tests.golden.models.integer.cases import TOKENS


@pytest.mark.every(6)
def test_equal_to_python_integers(parts):
    name, fast, ids, logits, counted = parts
    truth = ScalarMamba(fast.parameters)
    assert logits.tolist() == [truth.step(int(token)) for token in ids]
    assert {place: count for place, count in truth.saturated.items() if count} == counted
    if "rough" in name:
        expected = {"norm", "conv_input", "conv_sum", "x", "scan", "gated", "y", "state", "inflow"}
        expected |= {"normalized", "dt", "dt_sum"} if name.startswith("mamba2") else {"dt_low"}
        assert expected <= {tensor for _, tensor in counted}


@pytest.mark.every(3)
def test_states_equal_those_of_python_integers(parts):
    _, fast, ids, *_ = parts
    states = fast.start(1)
    fast.forward(ids[None, :5], states)
    truth = ScalarMamba(fast.parameters)
    for token in ids[:5]:
        truth.step(int(token))
    for state, mixer in zip(states, truth.mixers, strict=True):
        assert state.window[0].tolist() == mixer.window
        assert state.h[0].tolist() == mixer.h
        assert state.word == mixer.word


@pytest.mark.every(3)
@pytest.mark.parametrize("cuts", [(1,) * TOKENS, (7, 1, 16)], ids=["step by step", "in three parts"])
def test_cut_sequences_give_the_same_bits(parts, cuts):
    _, fast, ids, logits, _ = parts
    states, pieces, start = fast.start(1), [], 0
    for length in cuts:
        pieces.append(fast.forward(ids[None, start : start + length], states)[0])
        start += length
    assert start == TOKENS
    assert np.array_equal(np.concatenate(pieces), logits)


def test_sequences_of_a_batch_do_not_meet(parts):
    _, fast, ids, logits, _ = parts
    both = fast.forward(np.stack([ids[::-1], ids]), fast.start(2))
    assert np.array_equal(both[1], logits)
    assert not np.array_equal(both[0], logits)


def test_few_time_steps_at_once_give_the_same_bits(parts, monkeypatch):
    _, fast, ids, logits, _ = parts
    monkeypatch.setattr("qse_hw.golden.models.integer.array_arithmetic.CHUNK_VALUES", 3 * 48 * 4)
    assert np.array_equal(fast.forward(ids[None], fast.start(1))[0], logits)


@pytest.mark.full
@pytest.mark.parametrize("directory", [BUNDLED, BUNDLED_MAMBA2], ids=["mamba1", "mamba2"])
def test_the_bundled_models_equal_python_integers(directory):
    model, text = load_model(directory), read_text(BUNDLED.parent / "text" / "calibration.txt").ids
    formats = calibrate_integer(model, text, tokens=512, options=Options(spec="int8"))
    fast = IntegerMamba.of(model, formats)
    truth = ScalarMamba(fast.parameters)
    ids = text[:2].numpy()
    assert fast.forward(ids[None], fast.start(1))[0].tolist() == [truth.step(int(token)) for token in ids]
