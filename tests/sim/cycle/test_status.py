"""Flags and counter over all cycles at once, against the same a cycle at a time."""

import numpy as np
import pytest

from qse_hw.sim.cycle.status import counter, sticky


def histories(rng, length):
    """Events 0..3 and clears of all densities, and every history of six cycles with at most one event in each."""
    for density in (0.02, 0.2, 0.8):
        for clears in (0.02, 0.2, 0.8):
            events = rng.integers(1, 4, length) * (rng.random(length) < density)
            yield events, rng.random(length) < clears
    for number in range(1 << 12):
        bits = (number >> np.arange(12)) & 1
        yield bits[:6], bits[6:] > 0


def test_sticky(rng):
    for events, clear in histories(rng, 500):
        flag, want = False, []
        for event, cleared in zip(events > 0, clear, strict=True):
            want.append(flag)
            flag = bool(event or (flag and not cleared))
        assert sticky(events > 0, clear).tolist() == want


@pytest.mark.parametrize("width", [1, 2, 3, 32, 64])
def test_counter(rng, width):
    for events, clear in histories(rng, 500):
        count, want = 0, []
        for event, cleared in zip(events.tolist(), clear, strict=True):
            want.append(count)
            count = min((0 if cleared else count) + event, 2**width - 1)
        got = counter(events, clear, width)
        assert got.dtype == np.uint64
        assert got.tolist() == want


def test_nothing_happened_in_no_cycles():
    nothing = np.zeros(0, np.int64)
    assert sticky(nothing > 0, nothing).tolist() == counter(nothing, nothing, 8).tolist() == []
