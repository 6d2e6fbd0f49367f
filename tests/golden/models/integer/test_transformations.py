"""Transformations of the checkpoint leave the logits as they are."""

import math

import numpy as np
import pytest
import torch

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.integer.transformations import NONE, Transformations, rotated
from qse_hw.golden.models.mamba.checkpoint import BUNDLED, BUNDLED_MAMBA2, load_model
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Mamba, MambaConfig
from qse_hw.golden.models.mamba.shapes import SHAPES
from qse_hw.golden.reference.hadamard import matrix, transform_tensor

TEXT = b"The residual stream is rotated, and nobody can tell from the logits."
CHOICES = [
    Transformations(),
    Transformations(rotate_y=False),
    Transformations(rotate_residual=False),
    Transformations(rotate_residual=False, rotate_y=False),
    Transformations(fold_norms=False, rotate_residual=False),
    NONE,
]


def ids():
    return torch.frombuffer(bytearray(TEXT), dtype=torch.uint8).long()[None]


@pytest.mark.every(8)
@pytest.mark.parametrize("directory", [BUNDLED, BUNDLED_MAMBA2], ids=["mamba1", "mamba2"])
@pytest.mark.parametrize("which", CHOICES, ids=repr)
@torch.no_grad()
def test_logits_of_the_bundled_models_stay(directory, which):
    model = load_model(directory).double()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    expected = model(ids())
    logits = which.model(model)(ids())
    assert float((logits - expected).abs().max()) < 1e-10
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())  # a copy is changed


@torch.no_grad()
def test_every_switch_changes_its_weights():
    model = load_model().double()
    for which in CHOICES:
        block = which.model(model).blocks[0]
        assert torch.equal(block.norm.weight, torch.ones(256).double()) == which.fold_norms
        changed = not torch.equal(block.mixer.in_proj.weight, model.blocks[0].mixer.in_proj.weight)
        assert changed == which.fold_norms
        changed = not torch.equal(block.mixer.out_proj.weight, model.blocks[0].mixer.out_proj.weight)
        assert changed == (which.rotate_residual or which.rotate_y)


@torch.no_grad()
def test_the_rotation_spreads_an_outlier_channel():
    model = Mamba(MambaConfig(d_model=48, n_layer=1, vocab_size=11)).double()
    model.backbone.embedding.weight[:, 5] += 100
    spread = Transformations().model(model).backbone.embedding.weight
    assert float(model.backbone.embedding.weight.abs().max()) > 99
    assert float(spread.abs().max()) < 20


@pytest.mark.parametrize("config", [
    MambaConfig(d_model=24, n_layer=2, vocab_size=17),
    MambaConfig(d_model=40, n_layer=1, vocab_size=5, tie_embeddings=False),
    Mamba2Config(d_model=24, n_layer=2, vocab_size=17, d_state=4, headdim=12, ngroups=2),
], ids=["order 12", "order 40", "groups"])  # fmt: skip
@torch.no_grad()
def test_random_models_with_random_norms(config):
    torch.manual_seed(4)
    model = Mamba(config).double()
    for name, weight in model.named_parameters():
        if "norm" in name:
            weight.copy_(torch.rand_like(weight) + 0.5)
    text = torch.randint(0, config.vocab_size, (2, 9))
    assert float((Transformations().model(model)(text) - model(text)).abs().max()) < 1e-10


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_published_widths_have_an_order(name):
    Transformations().check(SHAPES[name])


@pytest.mark.parametrize("width", sorted({size for c in SHAPES.values() for size in (c.d_model, c.d_inner)}))
def test_rotations_of_published_widths_are_orthonormal(width):
    generator = torch.Generator().manual_seed(width)
    weight = torch.randn(3, width, generator=generator, dtype=torch.float64)
    transformed = rotated(weight, 1)
    assert torch.allclose(transformed, transform_tensor(weight), rtol=0, atol=1e-11)
    assert torch.allclose(transformed @ transformed.T, weight @ weight.T, rtol=0, atol=1e-9)
    assert torch.equal(rotated(weight.T, 0).T, transformed)


def test_rotations_are_rounded_once(rng):
    """To the sum itself and its product with 1 / sqrt(n), whatever the order in which a machine adds."""
    weight = torch.from_numpy(rng.standard_normal((4, 40)).astype(np.float16)).float()
    exact = [[math.fsum(signs * row) for signs in matrix(40)] for row in weight.double().numpy()]
    assert rotated(weight, 1).tolist() == (torch.tensor(exact, dtype=torch.float64) / math.sqrt(40)).float().tolist()
    assert torch.equal(rotated(torch.zeros(2, 8), 1), torch.zeros(2, 8))


@pytest.mark.parametrize(("config", "words"), [
    (MambaConfig(d_model=90, n_layer=1, vocab_size=3), "rotate_residual must be False for a width of 90: .* pad"),
    (MambaConfig(d_model=12, n_layer=1, vocab_size=3, expand=3), "rotate_y must be False for a width of 36: .* pad"),
])  # fmt: skip
def test_widths_without_an_order_are_refused(config, words):
    with pytest.raises(InputError, match=words):
        Transformations().model(Mamba(config))
    NONE.model(Mamba(config))


def test_bad_switches_are_refused():
    with pytest.raises(InputError, match="rotate_residual must be False where fold_norms is"):
        Transformations(fold_norms=False)
    with pytest.raises(InputError, match="rotate_y must be True or False, not 'no'"):
        Transformations(rotate_y="no")


def test_what_untying_costs():
    shape = SHAPES["mamba-130m"]
    assert Transformations().added_bytes(shape) == 50280 * 768
    assert NONE.added_bytes(shape) == 0
    assert Transformations().added_bytes(MambaConfig(d_model=4, n_layer=1, vocab_size=9, tie_embeddings=False)) == 0
