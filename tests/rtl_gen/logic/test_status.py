"""Sticky flags and the counter, against their formulas."""

import random

import pytest
from amaranth.sim import Simulator

from qse_hw.golden.errors import InputError
from qse_hw.rtl_gen.logic.status import Status
from tests.rtl_gen.bench import refused


def simulate(status, stimuli):
    """Outputs after each (enable, clear, saturated_lanes, nan_lanes)."""
    simulator = Simulator(status)
    simulator.add_clock(1e-6)
    inputs = (status.enable, status.clear, status.saturated_lanes, status.nan_lanes)
    seen = []

    async def testbench(ctx):
        for values in stimuli:
            for signal, value in zip(inputs, values, strict=True):
                ctx.set(signal, value)
            await ctx.tick()
            seen.append((ctx.get(status.saturated), ctx.get(status.nan), ctx.get(status.saturation_count)))

    simulator.add_testbench(testbench)
    simulator.run()
    return seen


@pytest.mark.every(3)
@pytest.mark.parametrize("lanes", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("width", [0, 1, 2, 3, 7, 32, 64])
def test_formulas(lanes, width):
    draw = random.Random(100 * lanes + width)
    stimuli = [
        (draw.randrange(2), draw.random() < 0.1, draw.randrange(1 << lanes), draw.random() < 0.1) for _ in range(200)
    ]
    saturated = nan = count = 0
    full = (1 << width) - 1
    reached = False
    got = simulate(Status(lanes=lanes, counter_width=width), stimuli)
    for (enable, clear, saturated_lanes, nan_lanes), seen in zip(stimuli, got, strict=True):
        saturated = (enable and saturated_lanes > 0) or (saturated and not clear)
        nan = (enable and nan_lanes > 0) or (nan and not clear)
        count = min(full, (0 if clear else count) + (saturated_lanes.bit_count() if enable else 0))
        reached |= 0 < count == full
        assert seen == (saturated, nan, count)
    assert reached == (0 < width <= 3)


def test_an_event_in_the_cycle_of_a_clear_is_kept():
    stimuli = [(1, 0, 0b11, 0b01), (1, 1, 0b10, 0b10), (0, 1, 0b11, 0b11), (0, 0, 0b11, 0b11)]
    assert simulate(Status(lanes=2, counter_width=4), stimuli) == [(1, 1, 2), (1, 1, 1), (0, 0, 0), (0, 0, 0)]


def test_the_counter_stops_at_its_maximum():
    """Also when many lanes saturate at once, more than the counter can hold."""
    stimuli = [(1, 0, 0b11111111, 0)] * 3 + [(1, 0, 0, 0), (1, 0, 1, 0)]
    assert [count for _, _, count in simulate(Status(lanes=8, counter_width=2), stimuli)] == [3] * 5
    assert [count for _, _, count in simulate(Status(lanes=8, counter_width=4), stimuli)] == [8, 15, 15, 15, 15]
    many = [(1, 0, (1 << 33) - 1, 0)] * 3
    assert [count for _, _, count in simulate(Status(lanes=33, counter_width=6), many)] == [33, 63, 63]


@pytest.mark.parametrize("width", [-1, 65])
def test_counter_width_has_limits(width):
    text = f"Counter width must be from 0 (no counter) to 64, not {width}"
    refused(InputError, text, lambda: Status(lanes=1, counter_width=width))


@pytest.mark.parametrize("width", [1.0, "8", None])
def test_counter_width_is_an_integer(width):
    refused(TypeError, "cannot be interpreted as an integer", lambda: Status(lanes=1, counter_width=width))
