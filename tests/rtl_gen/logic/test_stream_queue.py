"""The queue between two streams: in order, at full rate, no path from one side to the other."""

from collections import deque

import pytest

from qse_hw.rtl_gen.logic.stream_queue import StreamQueue
from tests.rtl_gen.bench import at_random, never, simulate


@pytest.mark.every(3)
@pytest.mark.parametrize("depth", [2, 4, 5, 16])
@pytest.mark.parametrize("pace", ["full", "slow writer", "slow reader", "both slow"])
def test_against_a_list(depth, pace, rng):
    """``valid`` and ``ready`` equal a list model in every cycle; all of the depth is used."""
    dut = StreamQueue(width=9, depth=depth)
    i_pause = at_random(91) if pace in ("slow writer", "both slow") else never
    o_pause = at_random(92) if pace in ("slow reader", "both slow") else never
    inside, sent, got, counts, cycles = deque(), [], [], [0, 0], 600

    async def process(ctx, rst):
        item = None
        for cycle in range(cycles):
            if item is None and cycle < cycles - 60 and not i_pause():
                item = int(rng.integers(1 << 9))
            ready = cycle >= cycles - 60 or not o_pause()
            ctx.set(dut.i.valid, item is not None)
            ctx.set(dut.i.payload, 0 if item is None else item)
            accepts = ctx.get(dut.i.ready)
            ctx.set(dut.o.ready, ready)
            assert ctx.get(dut.i.ready) == accepts == (counts[-2] <= depth - 2), f"cycle {cycle}"
            valid, payload = ctx.get(dut.o.valid), ctx.get(dut.o.payload)
            assert valid == (bool(inside) and inside[0] <= cycle - dut.latency), f"cycle {cycle}"
            if valid and ready:
                got.append(payload)
                inside.popleft()
            if item is not None and accepts:
                sent.append(item)
                inside.append(cycle)
                item = None
            counts.append(len(inside))
            await ctx.tick()

    simulate(dut, process)
    assert got == sent
    assert max(counts) == depth or pace != "slow reader"
    assert len(sent) == cycles - 60 or pace != "full" or depth < StreamQueue.least_depth
    assert len(sent) > 100


def test_a_reset_empties_it():
    dut = StreamQueue(width=4, depth=4)
    seen = []

    async def process(ctx, rst):
        for cycle in range(12):
            ctx.set(dut.i.valid, cycle in (0, 1, 7))
            ctx.set(dut.i.payload, cycle)
            ctx.set(rst, cycle == 4)
            seen.append((ctx.get(dut.o.valid), ctx.get(dut.o.payload), ctx.get(dut.i.ready)))
            await ctx.tick()

    simulate(dut, process)
    assert seen[4][:2] == (1, 0)
    assert [valid for valid, _, _ in seen[5:9]] == [0] * 4
    assert seen[9] == (1, 7, 1)
