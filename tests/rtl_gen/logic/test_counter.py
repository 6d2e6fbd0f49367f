"""Counters, with restarts at any time."""

import random

import pytest
from amaranth.hdl import Module, Signal

from qse_hw.rtl_gen.logic.counter import count
from tests.rtl_gen.bench import simulate


@pytest.mark.parametrize("period", [1, 2, 3, 4, 7, 8])
def test_it_counts(period):
    m, restart, enable = Module(), Signal(), Signal()
    with m.If(enable):
        position, last = count(m, period, "position", restart=restart)
    draw = random.Random(period)
    seen = set()

    async def testbench(ctx, rst):
        want = 0
        for _ in range(2000):
            assert ctx.get(position) == want
            assert ctx.get(last) == (want == period - 1)
            again, now = draw.random() < 0.1, draw.random() < 0.6
            ctx.set(restart, again)
            ctx.set(enable, now)
            seen.add((want, again, now))
            if now:
                want = 0 if again else (want + 1) % period
            await ctx.tick()

    simulate(m, testbench)
    assert len(seen) == 4 * period  # everything happened everywhere
