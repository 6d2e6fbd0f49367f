"""A small model, its mixer, its image."""

import pytest

from qse_hw.golden.models.integer.image.image import write_image
from qse_hw.golden.models.integer.parameters import model_parameters
from qse_hw.rtl_gen.accelerator.image_words import ImageMap, image_words
from qse_hw.rtl_gen.mixer.model import mixer_config
from tests.golden.models.integer import small


@pytest.fixture(scope="session")
def parameters():
    return model_parameters(small.model(), small.formats(local_bits=16, mode="shared"))


@pytest.fixture(scope="session")
def image_map(parameters):
    return ImageMap(mixer_config(parameters, rows=4, columns=4, scan_lanes=2, hadamard_lanes=2))


@pytest.fixture(scope="session")
def image(parameters, image_map, tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "model.img"
    write_image(path, parameters, rows=4, columns=4, words=image_words(parameters, image_map.config))
    return path.read_bytes()
