"""Delay lines of registers and of memories, whose slots come at any time."""

import random

import pytest
from amaranth.hdl import EnableInserter, Module, Signal

from qse_hw.rtl_gen.logic.delay import REGISTERS, Delay
from tests.rtl_gen.bench import simulate


@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize("slots", [0, 1, 2, REGISTERS, REGISTERS + 1, REGISTERS + 2, 14, 33, 638])
def test_what_came_in_comes_out(slots, target):
    m, enable = Module(), Signal()
    delay = Delay(width=12, slots=slots, target=target)
    m.submodules.delay = EnableInserter(enable)(delay)
    m.d.comb += delay.enable.eq(enable)
    draw = random.Random(slots)
    sent = []

    async def testbench(ctx, rst):
        while len(sent) < 3 * slots + 30:
            value, slot = draw.getrandbits(12), draw.random() < 0.7
            ctx.set(delay.i, value)
            ctx.set(enable, slot)
            if slot:
                sent.append(value)
                if len(sent) > slots:
                    assert ctx.get(delay.o) == sent[-1 - slots]
            await ctx.tick()

    simulate(m, testbench)
    assert len(sent) == 3 * slots + 30
