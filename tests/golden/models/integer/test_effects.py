"""What each tensor of each layer loses by each calibration, and where the SQNR's winner is not the model's."""

import pytest
import torch
import torch.nn.functional as F

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.calibrate import calibrate_integer
from qse_hw.golden.models.integer.effects import disagreements, divergence, effects
from qse_hw.golden.models.integer.model import IntegerMamba
from qse_hw.golden.models.integer.options import Options
from qse_hw.golden.models.integer.sensitivity import rounded
from qse_hw.golden.models.integer.simulation import run
from qse_hw.golden.models.integer.transformations import Transformations
from tests.golden.models.integer import small

SPEC = "tuned:bits=6,segments=2"


def text():
    return small.text()[:512].view(1, 512)


@pytest.fixture(scope="module")
def calibrations():
    return {objective: small.formats(spec=SPEC, objective=objective) for objective in ("x", "loss")}


@pytest.fixture(scope="module")
def found(calibrations):
    return effects(small.model(), calibrations, text())


@pytest.mark.every(2)
@pytest.mark.parametrize(("number", "name"), [(0, "gate"), (1, "conv_input"), (2, "norm_f")])
def test_an_effect_is_that_of_one_tensor_in_one_layer(calibrations, found, number, name):
    changed = Transformations().model(small.model())
    formats = calibrations["loss"]
    to = formats.norm_f if name == "norm_f" else getattr(formats.layers[number], name)
    errors = []

    def see(layer, tensor, value):
        if (layer, tensor) != (number, name):
            return value
        errors.append(10 * torch.log10(value.square().sum() / (rounded(to, value) - value).square().sum()))
        return rounded(to, value)

    with torch.no_grad():
        p = F.log_softmax(run(changed, text(), lambda layer, tensor, value: value).double(), dim=-1)
        q = F.log_softmax(run(changed, text(), see).double(), dim=-1)
    effect = found[number, name]["loss"]
    assert effect.kl == pytest.approx(float((p.exp() * (p - q)).sum() / 512))
    assert effect.sqnr_db == pytest.approx(float(errors[0]), abs=1e-3)


def test_it_is_shown_where_the_winner_of_the_sqnr_is_not_the_models(found):
    keys = disagreements(found)
    assert {(0, "y"), (0, "gate"), (2, "norm_f")} <= set(keys)
    for key in keys:
        x, loss = found[key]["x"], found[key]["loss"]
        assert (x.sqnr_db > loss.sqnr_db) == (x.kl > loss.kl)
    assert (1, "y") not in keys


def test_equal_types_are_left_out(calibrations):
    assert effects(small.model(), {"a": calibrations["x"], "b": calibrations["x"]}, text()) == {}


@pytest.mark.full
def test_the_measured_objective_finds_them_and_is_never_worse():
    """On twice the text, the best of each tensor together are better than either calibration."""
    model, ids = small.model(), small.text().view(2, 512)
    x, loss, measured = (
        calibrate_integer(model, small.text(), tokens=1024, options=Options(spec=SPEC, objective=objective))
        for objective in ("x", "loss", "model")
    )

    def lost(formats):
        return divergence(model, IntegerMamba.of(model, formats), ids)

    assert lost(measured) < lost(loss) < lost(x)
    for (number, name), named in effects(model, {"x": x, "loss": loss}, ids).items():
        winner = x if named["x"].kl < named["loss"].kl else loss
        chosen, best = (
            one.norm_f if name == "norm_f" else getattr(one.layers[number], name) for one in (measured, winner)
        )
        assert chosen == best, (number, name)


def test_calibrations_of_different_transformations_are_refused(calibrations):
    other = calibrate_integer(
        small.model(), small.text(), tokens=512, options=Options(spec="int8", objective="x"),
        transformations=Transformations(rotate_residual=False),
    )  # fmt: skip
    with pytest.raises(InputError, match="must be of the same transformations"):
        effects(small.model(), {"a": calibrations["x"], "b": other}, text())


def test_progress_is_told(calibrations):
    shares = []
    effects(small.model(), calibrations, small.text().view(2, 512), progress=shares.append)
    assert shares[-1] == 1.0
