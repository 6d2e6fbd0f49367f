"""Counting beats that go on as before in one step is as exact as beat by beat; what never comes is no error."""

import numpy as np
import pytest

from qse_hw.sim.cycle.mixer.sources import accepts
from qse_hw.sim.cycle.mixer.timing import FULL_SPEED, MixerTiming, Ports
from tests.sim.cycle.mixer.small import MIXERS, mixer

LONG = {"d_model": 128, "d_inner": 64, "rows": 4, "columns": 2, "vocabulary": 30}  # tiles of up to 64 beats


def cycles(config, ports, horizon):
    timing = MixerTiming(config, ports, horizon=horizon)
    timing.run()
    return timing, {
        name: [time for time in times if time < horizon] for name, times in timing.log.cycles.items()
    }  # fmt: skip


@pytest.mark.every(2)
@pytest.mark.parametrize("changes", [*MIXERS.values(), LONG], ids=[*MIXERS, "long"])
def test_beat_by_beat(changes):
    """A memory that offers a beat in every cycle, known to do so or not."""
    config = mixer(**changes)
    horizon = 2 * config.product_cycles + 2500
    always = accepts(np.ones(horizon + 500, np.bool_))  # no end that a wait before the horizon could know
    slow, each = cycles(config, Ports(weights=always, scales=always), horizon)
    fast, skipped = cycles(config, FULL_SPEED, horizon)
    assert skipped == each
    assert len(each["o"]) > 0
    assert {wait: count for wait, count in fast.engine.waits.items() if wait.cause != "weights"} == {
        wait: count for wait, count in slow.engine.waits.items() if wait.cause != "weights"
    }


def test_a_memory_that_ends():
    """The engine stops, and the queue before it fills up; a token that never comes is not computed."""
    config = mixer()
    offered = np.zeros(4000, np.bool_)
    offered[:1000] = True
    timing, times = cycles(config, Ports(weights=accepts(offered)), 4000)
    assert times["conv_input"]
    assert max(times["conv_input"]) < 1100
    nothing = accepts(np.zeros(500, np.bool_))
    timing = MixerTiming(config, Ports(i=nothing), horizon=500, recorded=True)
    timing.run()
    assert not timing.log.cycles["i"]
    assert timing.weights.written == [0, 1, 2, 3, 4]
