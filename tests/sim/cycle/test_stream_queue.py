"""The model of a queue between two streams, in every cycle, against Amaranth's simulator."""

import random

import pytest
from amaranth.hdl import Module

from qse_hw.rtl_gen.logic.stream_queue import StreamQueue
from qse_hw.sim.cycle.stream_queue import StreamQueueModel
from tests.rtl_gen.bench import at_random, never, simulate


def run(depth, i_pause, o_pause, cycles):
    """What entered and left, in which cycles; in each the model agrees."""
    dut, model, draw = StreamQueue(width=8, depth=depth), StreamQueueModel(depth), random.Random(4)
    top = Module()
    top.submodules.dut = dut
    entered, left = [], []

    async def process(ctx, rst):
        for cycle in range(cycles):
            offered, ready = not i_pause(), not o_pause()
            payload = draw.getrandbits(8)
            ctx.set(dut.i.payload, payload)
            ctx.set(dut.i.valid, offered)
            ctx.set(dut.o.ready, ready)
            written, valid = offered and ctx.get(dut.i.ready), ctx.get(dut.o.valid)
            assert (model.ready, model.valid(cycle)) == (ctx.get(dut.i.ready), valid), f"cycle {cycle}"
            if written:
                entered.append((cycle, payload))
            if valid and ready:
                left.append((cycle, ctx.get(dut.o.payload)))
            model.step(cycle, written=bool(written), taken=bool(valid and ready))
            await ctx.tick()

    simulate(top, process)
    assert [payload for _, payload in left] == [payload for _, payload in entered[: len(left)]]
    return entered, left


@pytest.mark.parametrize("depth", [2, 3, 4, 8])
def test_order_under_stalls(depth):
    entered, left = run(depth, at_random(11), at_random(12), 400)
    assert len(left) > 50
    assert len(entered) - len(left) <= depth


@pytest.mark.parametrize("depth", [2, 5])
def test_it_takes_as_many_as_it_holds(depth):
    entered, left = run(depth, never, lambda: True, 30)
    assert (len(entered), left) == (depth, [])
