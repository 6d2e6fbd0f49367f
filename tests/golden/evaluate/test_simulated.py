"""Simulated recipes: what is named is rounded, nothing else; Quamba's loses what its integer arithmetic loses."""

import pytest
import torch

from qse_hw.golden.errors import InputError
from qse_hw.golden.evaluate.baselines import FLOAT8, baselines, parts, quamba
from qse_hw.golden.evaluate.score import score
from qse_hw.golden.evaluate.simulated import CHOSEN, Recipe, simulate
from qse_hw.golden.models.integer.sensitivity import alone, together
from qse_hw.golden.models.integer.transformations import NONE, Transformations
from qse_hw.golden.models.quamba.calibrate import calibrate_quamba
from qse_hw.golden.models.quamba.model import QuambaMamba
from tests.golden.models.integer import small

ALPHA = 0.9995
X = f"quamba:alpha={ALPHA}"


@pytest.fixture(scope="module")
def windows():
    return small.text()[512:].view(4, 128)


@pytest.fixture(scope="module", params=list(small.KINDS))
def kind(request):
    return request.param


def models(recipes, formats=None, kind="mamba1"):
    return simulate(small.model(kind), small.text(), recipes, tokens=512, formats=formats)


def losses(candidates, windows, kind="mamba1"):
    scores = score(small.model(kind), candidates, windows, vocab_size=37)
    return {name: float(kl.sum()) for name, kl in scores.kl.items()}


def test_a_recipe_of_nothing_is_the_model(windows, kind):
    for transformations in (NONE, Transformations()):
        same = models({"none": Recipe(transformations=transformations)}, kind=kind)["none"]
        torch.testing.assert_close(same(windows), small.model(kind)(windows), rtol=1e-4, atol=1e-4)


def test_quamba_loses_what_it_loses_in_integers(windows):
    calibration = calibrate_quamba(small.model(), small.text(), tokens=512, alpha=ALPHA)
    candidates = {"integer": QuambaMamba(small.model(), calibration)} | models({"simulated": quamba("mamba1", X)})
    lost = losses(candidates, windows)
    assert lost["simulated"] == pytest.approx(lost["integer"], rel=0.1)


@pytest.mark.every(2)
def test_baselines(windows, kind):
    lost = losses(models(baselines(kind, X), kind=kind), windows, kind)
    assert lost["quamba-rows"] < lost["quamba-simulated"]
    assert len(set(lost.values())) == len(lost) == 8
    assert set(FLOAT8) < set(lost)


def test_chosen_is_what_the_integer_model_has(windows, kind):
    formats = small.formats(kind, local_bits=8)
    recipes = {"all": parts(formats)["all"]}
    recipes |= {
        name: Recipe(transformations=formats.transformations, tensors={name: CHOSEN})
        for name in ("x", "state", "norm_f")
    }
    made, model = models(recipes, formats, kind), small.model(kind)
    torch.testing.assert_close(made["all"](windows), together(model, formats)(windows), rtol=1e-4, atol=1e-4)
    for name in ("x", "state", "norm_f"):
        torch.testing.assert_close(made[name](windows), alone(model, formats, name)(windows), rtol=1e-4, atol=1e-4)


@pytest.mark.every(2)
def test_parts_bring_something(windows, kind):
    formats = small.formats(kind, local_bits=8)
    lost = losses(models(parts(formats, "se8:L=8"), formats, kind), windows, kind)
    assert lost["without soft edges"] != lost["all"] < lost["without row scales"]
    assert len(set(lost.values())) == len(lost) == 6


def test_smoothing_is_exact_but_for_rounding(windows):
    """With roundings that change nothing, scales leave the model as it is."""

    class Identity:
        def tensor(self, x):
            return x

    smoothed = baselines("mamba1", X)["quamba-smoothed"]
    recipe = Recipe(transformations=smoothed.transformations, tensors={"norm": "absmax"}, smoothed={"norm": "in_proj"})
    made = models({"one": recipe})["one"]
    for layer in made.roundings[:-1]:
        object.__setattr__(layer["norm"], "rounding", Identity())
    torch.testing.assert_close(made(windows), small.model()(windows), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tokens", [511, 2000])
def test_too_few_tokens(tokens):
    with pytest.raises(InputError, match="Tokens must be from one sequence of 512 to the text's 1024"):
        simulate(small.model(), small.text(), {}, tokens=tokens)


def test_bad_values_name_layer_and_tensor():
    model = small.copy()
    with torch.no_grad():
        model.blocks[1].mixer.x_proj.weight.zero_()
    recipes = {"one": Recipe(transformations=NONE, tensors={"dt_low": "int8"})}
    with pytest.raises(InputError, match=r"^Layer 1, dt_low: "):
        simulate(model, small.text(), recipes, tokens=512)
