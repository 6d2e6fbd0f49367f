"""The demo's picture."""

import os

import matplotlib.image
import pytest

from qse_hw.golden.calibration.calibration import LayerCalibration
from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.scale import Scale
from qse_hw.study.picture import draw

SQNR = {"int8": [31.0, 30.0], "se8": [38.0, 39.5]}


def drawn(path, x, name="se8:L=12", sqnr=SQNR, step=0.05):
    choice = LayerCalibration(format=load_format(name), scale=Scale.from_step(step), sqnr_db=40.0)
    draw(path, x, choice, sqnr, title="A title")
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    return matplotlib.image.imread(path)[..., :3]


def test_a_picture(out, tensors):
    pixels = drawn(out / "new" / "p.png", tensors["layers.0.x"])
    assert pixels.shape[0] > 400
    assert pixels.shape[1] > 1000
    left, right = pixels[:, : pixels.shape[1] // 2], pixels[:, -pixels.shape[1] // 3 :]
    assert left.var() > 0.005
    assert right.var() > 0.001
    assert os.listdir(out / "new") == ["p.png"]


@pytest.mark.full
def test_it_shows_its_arguments(out, tensors):
    x = tensors["layers.0.x"]
    first = drawn(out / "p.png", x)
    for other in (
        drawn(out / "p.png", 2 * x),
        drawn(out / "p.png", x, name="se8:L=2"),
        drawn(out / "p.png", x, sqnr=SQNR | {"se8": [39.5, 38.0]}),
    ):
        assert other.shape == first.shape
        assert (other != first).any(axis=2).sum() > 100


@pytest.mark.every(2)
@pytest.mark.parametrize("name", ["int8", "se8-silu"])
def test_any_format(out, tensors, name):
    assert drawn(out / "p.png", tensors["layers.1.x"], name).var() > 0.005


def test_a_place_that_cannot_be_written(out, tensors):
    with pytest.raises(InputError, match=r"^Output .* must be a file"):
        drawn(out, tensors["layers.0.x"])
    assert os.listdir(out) == []
