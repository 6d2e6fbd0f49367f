"""The event counter against its formula."""

import random

import pytest

from qse_hw.rtl_gen.logic.event_counter import EventCounter
from tests.rtl_gen.bench import simulate


@pytest.mark.parametrize(("lanes", "width"), [(1, 3), (2, 8), (3, 5), (7, 6), (16, 9), (1, 32)])
def test_counts(lanes, width):
    """Random events and clears; the count reaches its maximum, and events in a clear's cycle are kept."""
    dut, draw, most = EventCounter(lanes=lanes, width=width), random.Random(lanes), (1 << width) - 1
    reached = 0

    async def process(ctx, rst):
        nonlocal reached
        count, events = 0, 0
        for _ in range(1500):
            happened, clear = draw.getrandbits(lanes), draw.random() < 0.01
            ctx.set(dut.lanes, happened)
            ctx.set(dut.clear, int(clear))
            assert ctx.get(dut.count) == count
            count = min((0 if clear else count) + events, most)
            events = happened.bit_count()
            reached += count == most
            await ctx.tick()

    simulate(dut, process)
    assert (reached > 0) == (width < 32)
