"""Narrow beats become wide ones: all values in order, short last beats, stalls."""

import pytest
from amaranth.hdl import signed

from qse_hw.rtl_gen.mixer.pack import Pack
from tests.rtl_gen.bench import at_random, join, never, split, stream


@pytest.mark.parametrize("stalls", [False, True])
@pytest.mark.parametrize(
    ("size", "narrow", "wide"), [(12, 1, 4), (10, 1, 4), (3, 1, 8), (12, 2, 4), (10, 2, 8), (6, 2, 2), (5, 1, 1)]
)
def test_values_stay_in_order(size, narrow, wide, stalls, rng):
    vectors = rng.integers(-256, 256, (7, size))
    run = stream(
        Pack(signed(9), size=size, narrow=narrow, wide=wide),
        [join(row, 9) for row in vectors.reshape(-1, narrow).tolist()],
        i_pause=at_random(5) if stalls else never,
        o_pause=at_random(6) if stalls else never,
    )  # fmt: skip
    beats = -(-size // wide)
    assert len(run.payloads) == 7 * beats
    for number, payload in enumerate(run.payloads):
        vector, beat = divmod(number, beats)
        values = vectors[vector, beat * wide : (beat + 1) * wide] & 511
        assert split(payload, 9, wide)[: len(values)] == values.tolist()
        assert payload >> 9 * wide == (beat == beats - 1)
    if not stalls:  # a narrow beat per cycle
        assert run.accepted == list(range(run.accepted[0], run.accepted[0] + len(run.accepted)))
