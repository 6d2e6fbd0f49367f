"""The queue: items leave in order and after the stated latency, at any pace."""

from collections import deque

import pytest

from qse_hw.rtl_gen.logic.queue import Queue
from tests.rtl_gen.bench import at_random, never, simulate


@pytest.mark.every(3)
@pytest.mark.parametrize("depth", [3, 4, 7, 32])
@pytest.mark.parametrize("pace", ["full", "slow writer", "slow reader", "both slow"])
def test_against_a_list(depth, pace, rng):
    """The queue holds up to ``depth`` items, and often that many; ``valid`` equals a list model in every cycle."""
    dut = Queue(width=9, depth=depth)
    i_pause = at_random(91) if pace in ("slow writer", "both slow") else never
    o_pause = at_random(92) if pace in ("slow reader", "both slow") else never
    inside, sent, got, fullest = deque(), [], [], [0]

    async def process(ctx, rst):
        waiting = None
        for cycle in range(800):
            write = len(inside) < depth and cycle < 700 and not i_pause()
            item = int(rng.integers(1 << 9))
            ready = cycle >= 700 or not o_pause()
            ctx.set(dut.write, write)
            ctx.set(dut.data, item)
            ctx.set(dut.ready, ready)
            valid, payload = ctx.get(dut.valid), ctx.get(dut.payload)
            assert valid == (bool(inside) and inside[0] <= cycle - dut.latency), f"cycle {cycle}"
            assert waiting is None or (valid, payload) == (1, waiting), "a waiting item left or changed"
            waiting = payload if valid and not ready else None
            if valid and ready:
                got.append(payload)
                inside.popleft()
            if write:
                sent.append(item)
                inside.append(cycle)
            fullest.append(len(inside))
            await ctx.tick()

    simulate(dut, process)
    assert got == sent
    assert len(sent) > 150
    assert max(fullest) == depth or pace != "slow reader"
    assert len(sent) == 700 or pace != "full"


def test_a_reset_empties_it():
    dut = Queue(width=4, depth=5)
    seen = []

    async def process(ctx, rst):
        for cycle in range(12):
            ctx.set(dut.write, cycle in (0, 1, 2, 8))
            ctx.set(dut.data, cycle)
            ctx.set(rst, cycle == 5)
            seen.append((ctx.get(dut.valid), ctx.get(dut.payload)))
            await ctx.tick()

    simulate(dut, process)
    assert [valid for valid, _ in seen] == [0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1]
    assert seen[-1] == (1, 8)
