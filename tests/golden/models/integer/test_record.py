"""The weights of squared errors, against what independent errors of a tensor really cost."""

from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.record import record
from qse_hw.golden.models.integer.simulation import run, run_layer
from qse_hw.golden.models.integer.transformations import Transformations
from tests.golden.models.integer import small

NOISE = 1e-3  # of a tensor's root mean square: small enough for the first order to hold
DRAWS = 256
NAMES = ("norm", "conv_input", "gate", "x", "B", "C", "dt", "y")


def changed(kind):
    return Transformations().model(small.model(kind)).double()


@cache
def recorded(kind, objective):
    with torch.no_grad():
        return dict(record(changed(kind), text(), NAMES, objective))


def text():
    """One short sequence, many times: as many draws of the signs, and of the errors."""
    return small.text()[:16].repeat(DRAWS, 1)


def noisy(seen, name):
    """A hook that adds independent errors to one tensor, and their mean square."""
    sigma = NOISE * float(np.sqrt(np.square(seen.values(name)).mean()))
    draw = torch.Generator().manual_seed(4)

    def see(tensor, value):
        return value + sigma * torch.randn(value.shape, generator=draw, dtype=value.dtype) * (tensor == name)

    return see, sigma**2


def exactly(tensor, value):
    return value


@pytest.mark.every(12)
@pytest.mark.parametrize("kind", small.KINDS)
@pytest.mark.parametrize("name", [*NAMES, "norm_f"])
def test_the_divergence_of_small_errors_is_half_the_weighted_squares(kind, name):
    number = 2 if name == "norm_f" else 0
    seen = recorded(kind, "loss")[number]
    see, square = noisy(seen, name)
    with torch.no_grad():
        p = F.log_softmax(run(changed(kind), text(), lambda layer, *what: exactly(*what)), dim=-1)
        hooks = {number: see}
        q = F.log_softmax(run(changed(kind), text(), lambda layer, *what: hooks.get(layer, exactly)(*what)), dim=-1)
        kl = float((p.exp() * (p - q)).sum())
    assert square * float(seen.histogram(name).counts.sum()) / 2 == pytest.approx(kl, rel=0.2)


@pytest.mark.every(12)
@pytest.mark.parametrize("kind", small.KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_the_squared_error_of_the_layer_is_the_weighted_squares(kind, name):
    seen = recorded(kind, "output")[1]
    see, square = noisy(seen, name)
    model = changed(kind)
    with torch.no_grad():
        residual = run_layer(model.blocks[0], model.backbone.embedding(text()), exactly)
        exact, erring = (run_layer(model.blocks[1], residual, hook) for hook in (exactly, see))
        error = float((erring - exact).square().sum())
    assert square * float(seen.histogram(name).counts.sum()) == pytest.approx(error, rel=0.2)


def test_values_and_peaks_are_the_same_with_every_objective():
    plain, weighted = (recorded("mamba1", objective) for objective in ("x", "loss"))
    assert sorted(plain) == sorted(weighted) == [0, 1, 2]
    for number, seen in plain.items():
        for name, peaks in seen.peaks.items():
            assert np.allclose(peaks, weighted[number].peaks[name]), name
    assert np.allclose(plain[1].values("gate"), weighted[1].values("gate"))
    assert (plain[1].histogram("gate").counts == np.rint(plain[1].histogram("gate").counts)).all()


def test_plain_tensors_have_no_weights():
    with torch.no_grad():
        seen = dict(record(changed("mamba1"), text()[:2], NAMES, "loss", {1: ["gate"], 2: ["norm_f"]}))
    for number, name in ((1, "gate"), (2, "norm_f")):
        counts = seen[number].histogram(name).counts
        assert (counts == np.rint(counts)).all()
    assert not (seen[0].histogram("gate").counts > 0.5).all()


def test_weights_are_scaled_with_their_channels():
    seen = recorded("mamba1", "loss")[0]
    octaves = np.array([1, -2] * 24)
    scaled, plain = seen.histogram("gate", octaves), seen.histogram("gate")
    assert scaled.power == pytest.approx(plain.power, rel=1e-3)


def test_gradients_that_are_not_finite_are_refused():
    model = small.copy()
    with torch.no_grad():
        model.lm_head.weight.mul_(1e36)
    transformed = Transformations().model(model)
    with torch.no_grad(), pytest.raises(InputError, match=r"must .*finite"):
        list(record(transformed, text(), NAMES, "loss"))
