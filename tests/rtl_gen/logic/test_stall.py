"""The flow control alone: beats leave in order, and none moves while the output is stalled."""

import random

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from qse_hw.rtl_gen.logic.stall import stall_control


def simulate(latency, stimuli, **options):
    """For each (i_valid, o_ready): (advance, o_valid) as the coming edge sees them."""
    m = Module()
    i_valid, o_ready = Signal(), Signal()
    advance, o_valid = stall_control(m, i_valid=i_valid, o_ready=o_ready, latency=latency, **options)
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    seen = []

    async def testbench(ctx):
        for valid, ready in stimuli:
            ctx.set(i_valid, valid)
            ctx.set(o_ready, ready)
            seen.append((ctx.get(advance), ctx.get(o_valid)))
            await ctx.tick()

    simulator.add_testbench(testbench)
    simulator.run()
    return seen


@pytest.mark.parametrize("latency", [1, 2, 5])
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("sliced", [False, True])
def test_against_a_list(latency, seed, sliced):
    draw = random.Random(seed)
    stimuli = [(draw.randrange(2), draw.randrange(2)) for _ in range(400)]
    stages = [0] * latency
    for (valid, ready), got in zip(stimuli, simulate(latency, stimuli, sliced=sliced), strict=True):
        advance = ready or not (sliced or stages[-1])
        assert got == (advance, stages[-1])
        if advance:
            stages = [valid, *stages[:-1]]


@pytest.mark.parametrize("latency", [1, 3])
def test_fills_while_the_output_waits_then_stops(latency):
    seen = simulate(latency, [(1, 0)] * (latency + 3) + [(1, 1)])
    assert [advance for advance, _ in seen] == [1] * latency + [0] * 3 + [1]
    assert [valid for _, valid in seen] == [0] * latency + [1] * 4


def test_bubbles_are_kept():
    """The pipeline is no buffer: a gap at the input is a gap at the output."""
    pattern = [1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0]
    assert [valid for _, valid in simulate(3, [(valid, 1) for valid in pattern])] == [0, 0, 0, *pattern[:-3]]
