"""The integer model on arrays and in Python integers: equal on every bit, however a sequence is cut."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.models.integer.calibrate import calibrate_integer
from qse_hw.golden.models.integer.formats import ModelFormats, State
from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.integer.scalar import ScalarMamba
from qse_hw.golden.models.mamba.checkpoint import BUNDLED, BUNDLED_MAMBA2, load_model
from qse_hw.golden.models.mamba.text import read_text
from tests.golden.models.integer import small

TOKENS = 24


def with_state(model_formats: ModelFormats, format, shift: int, rounding: str) -> ModelFormats:
    """Another state of every layer; ``shift``: by how much its unit is coarser."""
    layers = []
    for layer in model_formats.layers:
        exponents = tuple(exponent + shift for exponent in layer.state.exponents)
        state = State(format=format, exponents=exponents, rounding=rounding)
        least = [exponent - 15 - layer.B.exponent for exponent in exponents]
        inflow = tuple(map(max, layer.inflow, least))
        layers.append(replace(layer, state=state, inflow=inflow))
    return replace(model_formats, layers=tuple(layers))


CASES: dict[str, Callable[[], ModelFormats]] = {
    "local 8": lambda: small.formats(local_bits=8),
    "local 16": lambda: small.formats(local_bits=16),
    "rough 8": lambda: small.rough(small.formats(local_bits=8)),
    "rough 16": lambda: small.rough(small.formats(local_bits=16)),
    "int8 per tensor": lambda: small.formats(spec="int8", weights="tensor"),
    "se8-silu": lambda: small.formats(spec="se8-silu"),
    "s24": lambda: small.formats(local_bits=16, state="s24"),
    "stochastic": lambda: small.formats(local_bits=16, rounding="stochastic"),
    "se8 state": lambda: with_state(small.formats(local_bits=16), small.SE8_SIGNED, 6, "nearest"),
    "se8 state, stochastic": lambda: with_state(small.formats(local_bits=16), small.SE8_SIGNED, 6, "stochastic"),
    "int8-asym state, stochastic": lambda: with_state(
        small.formats(local_bits=16), load_format("int8-asym:zero_point=100"), 8, "stochastic"
    ),
}


MAMBA2_CASES = {
    "mamba2, local 8": lambda: small.formats("mamba2", local_bits=8),
    "mamba2, rough 8": lambda: small.rough(small.formats("mamba2", local_bits=8)),
    "mamba2, rough 16": lambda: small.rough(small.formats("mamba2", local_bits=16)),
    "mamba2, int8 per tensor": lambda: small.formats("mamba2", spec="int8", weights="tensor"),
    "mamba2, s24": lambda: small.formats("mamba2", local_bits=16, state="s24"),
    "mamba2, stochastic": lambda: small.formats("mamba2", local_bits=16, rounding="stochastic"),
    "mamba2, se8 state, stochastic": lambda: with_state(
        small.formats("mamba2", local_bits=16), small.SE8_SIGNED, 6, "stochastic"
    ),
}


@pytest.fixture(scope="module", params=CASES | MAMBA2_CASES, ids=str)
def parts(request):
    formats = (CASES | MAMBA2_CASES)[request.param]()
    fast = IntegerMamba.of(small.model(formats.architecture), formats)
    ids = small.text().numpy()[:TOKENS]
    return request.param, fast, ids, fast.forward(ids[None], fast.start(1))[0]


def test_equal_to_python_integers(parts):
    name, fast, ids, logits = parts
    counted = dict(fast.saturated)
    truth = ScalarMamba(fast.parameters)
    assert logits.tolist() == [truth.step(int(token)) for token in ids]
    assert {place: count for place, count in truth.saturated.items() if count} == {
        place: count for place, count in counted.items() if count
    }
    if "rough" in name:
        expected = {"norm", "conv_input", "conv_sum", "x", "scan", "gated", "y", "state", "inflow"}
        expected |= {"normalized", "dt", "dt_sum"} if name.startswith("mamba2") else {"dt_low"}
        assert expected <= {tensor for (_, tensor), count in counted.items() if count}


def test_states_equal_those_of_python_integers(parts):
    _, fast, ids, _ = parts
    states = fast.start(1)
    fast.forward(ids[None, :5], states)
    truth = ScalarMamba(fast.parameters)
    for token in ids[:5]:
        truth.step(int(token))
    for state, mixer in zip(states, truth.mixers, strict=True):
        assert state.window[0].tolist() == mixer.window
        assert state.h[0].tolist() == mixer.h
        assert state.word == mixer.word


@pytest.mark.parametrize("cuts", [(1,) * TOKENS, (7, 1, 16)], ids=["step by step", "in three parts"])
def test_cut_sequences_give_the_same_bits(parts, cuts):
    _, fast, ids, logits = parts
    states, pieces, start = fast.start(1), [], 0
    for length in cuts:
        pieces.append(fast.forward(ids[None, start : start + length], states)[0])
        start += length
    assert start == TOKENS
    assert np.array_equal(np.concatenate(pieces), logits)


def test_sequences_of_a_batch_do_not_meet(parts):
    _, fast, ids, logits = parts
    both = fast.forward(np.stack([ids[::-1], ids]), fast.start(2))
    assert np.array_equal(both[1], logits)
    assert not np.array_equal(both[0], logits)


def test_few_time_steps_at_once_give_the_same_bits(parts, monkeypatch):
    _, fast, ids, logits = parts
    monkeypatch.setattr("qse_hw.golden.models.integer.array_arithmetic.CHUNK_VALUES", 3 * 48 * 4)
    assert np.array_equal(fast.forward(ids[None], fast.start(1))[0], logits)


@pytest.mark.every(2)
@pytest.mark.parametrize("directory", [BUNDLED, BUNDLED_MAMBA2], ids=["mamba1", "mamba2"])
def test_the_bundled_models_equal_python_integers(directory):
    model, text = load_model(directory), read_text(BUNDLED.parent / "text" / "calibration.txt").ids
    formats = calibrate_integer(model, text, tokens=512, options=Options(spec="int8"))
    fast = IntegerMamba.of(model, formats)
    truth = ScalarMamba(fast.parameters)
    ids = text[:2].numpy()
    assert fast.forward(ids[None], fast.start(1))[0].tolist() == [truth.step(int(token)) for token in ids]
