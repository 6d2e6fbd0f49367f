"""The image as the hardware knows it: places, the header, words of parameters."""

import zlib
from dataclasses import replace

import numpy as np
import pytest

from qse_hw.golden.models.integer.image.header import HEADER, TABLES, from_bytes
from qse_hw.golden.models.integer.image.layout import extents
from qse_hw.rtl_gen.accelerator.image_words import FREE, ImageMap, hardware_crc, image_words, stored_bytes
from qse_hw.rtl_gen.mixer.model import mixer_config, parameter_words
from qse_hw.rtl_gen.mixer.parameter_bus import UNIT_BITS


def test_the_map_is_the_images(image, image_map):
    header = from_bytes(image[:TABLES], len(image), "Image")
    assert header.sizes == image_map.sizes
    assert header.hardware == hardware_crc(image_map.config)
    assert image_map.size == len(image)
    assert dict(list(image_map.regions.items())[1:]) == extents(header.places)
    assert image_map.regions["header"] == (0, TABLES)
    content, mask = (np.frombuffer(part, np.uint8) for part in image_map.header)
    assert np.array_equal(content & mask, np.frombuffer(image[: HEADER.itemsize], np.uint8) & mask)
    assert int((mask == 0).sum()) == 4 + 32 + 32
    for (begin, length), place in zip(image_map.regions.values(), image_map.checksums, strict=True):
        region = image[begin : begin + length]
        region = region[:12] + bytes(4) + region[16:] if begin == 0 else region
        assert zlib.crc32(region) == int.from_bytes(image[place : place + 4], "little")


@pytest.mark.parametrize("scan_lanes", [1, 4])
def test_words(parameters, scan_lanes):
    config = mixer_config(parameters, rows=4, columns=4, scan_lanes=scan_lanes)
    words, stored = parameter_words(parameters, config), image_words(parameters, config).words
    assert stored.size % 64 == 0
    assert stored.shape[1] == stored_bytes(config) in (16, 32)
    assert np.array_equal(stored[: len(words), : words.shape[1]], words)
    assert not stored[: len(words), words.shape[1] :].any()
    fill = stored[len(words) :]
    assert 0 <= len(fill) < 64 // stored.shape[1]
    assert (fill[:, 0] % (1 << UNIT_BITS) >= len(config.parameter_bits)).all(), "for no unit"
    assert ImageMap(config).sizes.parameter_words == len(stored)


def test_other_hardware_has_another_number(image_map):
    config = image_map.config
    numbers = {hardware_crc(replace(config, **{name: value})) for name, value in (
        ("scan_lanes", 4), ("eps", 7), ("a_bits", 17), ("decay_shift", 1), ("rows", 8), ("layers", 3),
    )}  # fmt: skip
    assert len(numbers | {hardware_crc(config)}) == 7
    free = {"norm_lanes": 2, "hadamard_lanes": 4, "sequences": 3, "target": "ecp5", "taps": True}
    assert set(free) == set(FREE)
    assert hardware_crc(replace(config, **free)) == hardware_crc(config)
