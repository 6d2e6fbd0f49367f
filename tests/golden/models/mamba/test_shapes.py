"""The sizes of the published models, against what is known of them without these tables."""

import math

import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.models.mamba.model import weight_shapes
from qse_hw.golden.models.mamba.shapes import SHAPES, is_random, shape

PARAMETERS = {
    "mamba-130m": 129_135_360, "mamba-370m": 371_516_416, "mamba-790m": 793_204_224, "mamba-1.4b": 1_372_178_432,
    "mamba-2.8b": 2_768_345_600,
}  # fmt: skip
"""Of the released checkpoints, as their files count them."""


@pytest.mark.parametrize("name", PARAMETERS)
def test_as_many_parameters_as_the_checkpoint(name: str) -> None:
    assert sum(math.prod(size) for size in weight_shapes(shape(name)).values()) == PARAMETERS[name]


@pytest.mark.parametrize("name", SHAPES)
def test_the_name_tells_the_size(name: str) -> None:
    said = float(name[:-1].rpartition("-")[2]) * {"m": 1e6, "b": 1e9}[name[-1]]
    assert sum(math.prod(size) for size in weight_shapes(shape(name)).values()) == pytest.approx(said, rel=0.04)


def test_both_generations_have_the_same_widths_and_depths() -> None:
    """Those of GPT-3's models, two blocks for each of their layers."""
    sizes = [
        [(config.d_model, config.n_layer) for name, config in SHAPES.items() if name.startswith(kind)]
        for kind in ("mamba-", "mamba2-")
    ]
    assert sizes[0] == sizes[1]


def test_names() -> None:
    assert is_random("random:mamba-130m")
    assert not is_random("mamba-130m")
    with pytest.raises(InputError, match=r"^Shape must be one of mamba-130m, .*, mamba2-2.7b, not 'mamba-131m'$"):
        shape("mamba-131m")
