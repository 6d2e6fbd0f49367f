"""What transformers 5.23 does that a user of quantized models must know. Quantizing changes none of it.

Each test fails when transformers changes: then the sentence in docs/pytorch.md is to be changed, too.
"""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from qse_hw.golden.calibration.calibration import read_calibration, write_calibration
from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.checkpoint import load_model
from qse_hw.golden.models.mamba.families import TRANSFORMERS
from qse_hw.golden.models.mamba.quantize import calibrate_model, quantize_model
from tests.golden.models.mamba.relatives import VOCABULARY, layers_of, pieces, relative, steps
from tests.golden.models.mamba.small import QUANTIZERS, logits

IDS = torch.randint(VOCABULARY, (2, 20), generator=torch.Generator().manual_seed(4))


def distance(one: Tensor, other: Tensor) -> float:
    """How far apart, in standard deviations."""
    return float((one - other).square().mean().sqrt() / other.std())


@pytest.mark.parametrize(
    ("name", "zero"),
    [
        ("mamba", True),
        ("mamba2", False),
        pytest.param("falcon_mamba", True, marks=pytest.mark.full),
        pytest.param("jamba", True, marks=pytest.mark.full),
        pytest.param("zamba", True, marks=pytest.mark.full),
    ],
)
def test_a_second_piece_of_a_prompt_starts_at_a_zero_state_in_mamba_1(name: str, zero: bool) -> None:
    """Token by token the state is kept, and so it is in Mamba-2."""
    more = {} if zero else {"time_step_limit": (0.0, float("inf"))}
    model = relative(name, **more)
    whole = logits(model, IDS)
    assert distance(steps(model, IDS), whole) < 1e-5
    apart = distance(pieces(model, (IDS[:, :12], IDS[:, 12:]))[:, 12:], whole[:, 12:])
    assert apart > 1e-4 if zero else apart < 1e-5


def test_a_step_of_one_token_does_not_limit_the_time_step() -> None:
    unlimited = relative("mamba2", time_step_limit=(0.0, float("inf")))
    assert distance(steps(unlimited, IDS), logits(unlimited, IDS)) < 1e-4
    limited = relative("mamba2", time_step_limit=(0.0, 1e-4))
    assert distance(steps(limited, IDS)[:, 15:], logits(limited, IDS)[:, 15:]) > 1e-2


@pytest.mark.parametrize("name", ["mamba", pytest.param("jamba", marks=pytest.mark.full), "mamba2"])
def test_hooks_on_the_parts_of_a_mixer_do_not_fire_but_those_on_its_quantizer_do(name: str) -> None:
    model, fired = relative(name), []
    mixers = layers_of(model).mixers
    quantize_model(model, QUANTIZERS[: len(mixers)])
    for mixer in mixers:
        for part in ("conv1d", "act", "dt_proj", "quantizer"):
            if hasattr(mixer, part):
                getattr(mixer, part).register_forward_hook(lambda *args, part=part: fired.append(part))
    logits(model, IDS)
    steps(model, IDS, 19)
    assert fired == ["quantizer"] * 3 * len(mixers)


def test_the_extra_asks_for_the_version_that_is_needed_and_tested() -> None:
    """What stands in pyproject.toml is what the code says, and no older one is the oracle of the other tests."""
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())
    assert f"transformers>={TRANSFORMERS}" in project["project"]["optional-dependencies"]["model"]
    oldest, oracle = (tuple(map(int, text.split(".")[:2])) for text in (TRANSFORMERS, transformers.__version__))
    assert oracle >= oldest


def whole_width(model: Any) -> Any:
    """As transformers normalized before 5.23: all groups as one."""
    for layer in model.backbone.layers:
        layer.mixer.norm.group_size *= layer.mixer.n_groups
    return model


def test_a_transformers_that_normalizes_all_groups_as_one_is_refused() -> None:
    """Its logits are others, with the same weights."""
    model = relative("mamba2")
    expected = logits(model, IDS)
    assert distance(logits(whole_width(model), IDS), expected) > 0.1
    sentence = r"each of the 2 groups of Mamba2Mixer by itself, as 5.23 does, not all .*; install 5.23 or newer$"
    for refused in (lambda: calibrate_model(model, IDS, "se8"), lambda: quantize_model(model, QUANTIZERS[:2])):
        with pytest.raises(InputError, match=sentence):
            refused()
    single = whole_width(relative("mamba2", n_groups=1))
    assert calibrate_model(single, IDS, "se8").norm_groups is None


def test_a_calibration_says_how_many_groups_and_goes_into_no_other_model(tmp_path: Path) -> None:
    theirs = relative("mamba2", time_step_limit=(0.0, float("inf")))
    theirs.save_pretrained(tmp_path / "checkpoint")
    models: tuple[nn.Module, ...] = (theirs, load_model(tmp_path / "checkpoint"))
    for model in models:
        calibration = calibrate_model(model, IDS, "se8")
        assert calibration.norm_groups == 2
        write_calibration(tmp_path / "c.json", calibration)
        assert read_calibration(tmp_path / "c.json").norm_groups == 2
        quantize_model(model, tmp_path / "c.json")
        older = replace(calibration, norm_groups=None)  # made by a transformers of those, or without saying
        write_calibration(tmp_path / "older.json", older)
        for given in (older, tmp_path / "older.json"):
            with pytest.raises(InputError, match=r"over each of 2 groups, but is for one over the whole width, as"):
                quantize_model(model, given, check_weights=False)
        quantize_model(model, replace(older, model=""))  # of activations from anywhere
    plain = relative("mamba")
    calibration = calibrate_model(plain, IDS, "se8")
    assert calibration.norm_groups is None
    with pytest.raises(InputError, match=r"over the whole width, but is for one over each of 2 groups; cal"):
        quantize_model(plain, replace(calibration, norm_groups=2))
