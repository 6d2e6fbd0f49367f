"""Each tensor alone: the losses are those of that tensor, and of nothing else."""

import pytest
import torch

from qse_hw.golden.evaluate.by_tensor import KINDS, by_tensor
from qse_hw.golden.evaluate.score import score
from qse_hw.golden.models.integer.mamba1.formats import Mamba1Formats
from qse_hw.golden.models.integer.sensitivity import alone, tensors, weights
from tests.golden.models.integer import small

ENCODED = (*Mamba1Formats.OPERANDS, *Mamba1Formats.LOCALS, "state", "norm_f")


def measured(kind):
    windows = small.text()[512:].view(4, 128)
    return by_tensor(small.model(kind), small.formats(kind, local_bits=8), small.text(), windows, tokens=512)[0]


@pytest.fixture(scope="module")
def effects():
    return measured("mamba1")


@pytest.mark.every(2)
@pytest.mark.parametrize("kind", list(small.KINDS))
def test_every_tensor_and_weight(kind):
    effects, own = measured(kind), small.KINDS[kind][1]
    assert set(effects) == {*tensors(own), *weights(own)}
    for name in (*own.OPERANDS, *own.LOCALS, "state", "norm_f"):
        assert tuple(effects[name]) == KINDS
    for name, kinds in effects.items():
        layers = 1 if name in ("norm_f", "embedding", "head") else 2
        for one in kinds.values():
            assert len(one.sqnr_db) == layers
            assert float(one.kl.sum()) > 0
            assert min(one.sqnr_db) > 10


@pytest.mark.full
def test_least_squares_beats_the_peak_on_text_it_was_fitted_to():
    windows = small.text()[:512].view(1, 512)
    effects, _ = by_tensor(small.model(), small.formats(local_bits=8), small.text(), windows, tokens=512)
    for name in ENCODED:
        if name == "state":  # fitted to every sixteenth only
            continue
        for peak, best in zip(effects[name]["absmax"].sqnr_db, effects[name]["int8"].sqnr_db, strict=True):
            assert best > peak - 0.01, name


def test_losses_are_those_of_the_tensor_alone(effects):
    formats, windows = small.formats(local_bits=8), small.text()[512:].view(4, 128)
    names = ("y", "gate", "A")
    scores = score(small.model(), {name: alone(small.model(), formats, name) for name in names}, windows, vocab_size=37)
    for name in names:
        assert effects[name]["chosen"].kl.sum() == pytest.approx(scores.kl[name].sum(), rel=0.02)


def test_sqnr_of_a_weight_is_that_of_its_values(effects):
    weight = small.formats(local_bits=8).transformations.model(small.model()).blocks[1].mixer.in_proj.weight
    step = weight.abs().max() / 127
    error = (weight / step).round() * step - weight
    expected = float(10 * torch.log10(weight.square().sum() / error.square().sum()))
    assert effects["in_proj"]["tensor"].sqnr_db[1] == pytest.approx(expected, abs=1e-3)
    assert effects["in_proj"]["row"].sqnr_db[1] > expected
