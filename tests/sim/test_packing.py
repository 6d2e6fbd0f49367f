"""Beats as bytes, against Python's own integers."""

import numpy as np
import pytest

from qse_hw.sim.packing import beat_bytes, pack, unpack


@pytest.mark.parametrize("width", range(1, 33))
@pytest.mark.parametrize("lanes", [1, 2, 3, 5, 64])
def test_lane_0_in_the_low_bits(width, lanes, rng):
    values = rng.integers(0, 1 << width, (7, lanes), dtype=np.uint64).astype(np.uint32)
    packed = pack(values, width)
    assert packed.shape == (7, beat_bytes(width, lanes))
    for row, beat in zip(values.tolist(), packed, strict=True):
        assert int.from_bytes(beat.tobytes(), "little") == sum(value << (width * n) for n, value in enumerate(row))
    np.testing.assert_array_equal(unpack(packed, width, lanes), values)


@pytest.mark.parametrize("width", [3, 8, 9, 12, 16, 32])
def test_signed_numbers_are_taken_modulo(width, rng):
    values = rng.integers(-(1 << (width - 1)), 1 << (width - 1), (5, 4)).astype(np.int32)
    np.testing.assert_array_equal(pack(values, width), pack(values.astype(np.int64) % (1 << width), width))


@pytest.mark.parametrize("width", [7, 8])
def test_no_beats(width):
    packed = pack(np.zeros((0, 3), np.uint32), width)
    assert len(packed) == 0
    assert unpack(packed.reshape(0, beat_bytes(width, 3)), width, 3).shape == (0, 3)


def test_beat_bytes():
    assert [beat_bytes(width, lanes) for width, lanes in [(8, 1), (9, 1), (9, 8), (1, 1), (12, 2)]] == [1, 2, 9, 1, 3]
