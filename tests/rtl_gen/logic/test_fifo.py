"""The FIFO in block RAM: words leave in order, after the stated latency, as many as stated fit."""

import pytest

from qse_hw.rtl_gen.logic.fifo import WAITING, Fifo
from tests.rtl_gen.bench import at_random, never, simulate, stream


@pytest.mark.every(3)
@pytest.mark.parametrize("depth", [3, 40])
@pytest.mark.parametrize("pace", ["full", "slow writer", "slow reader", "both slow"])
def test_words_leave_in_order(depth, pace, rng):
    dut = Fifo(width=9, depth=depth, target="generic")
    words = rng.integers(1 << 9, size=300).tolist()
    run = stream(
        dut, words,
        i_pause=at_random(93) if pace in ("slow writer", "both slow") else never,
        o_pause=at_random(94) if pace in ("slow reader", "both slow") else never,
    )  # fmt: skip
    assert run.payloads == words
    if pace == "full" and depth > Fifo.latency + 2:  # a word per cycle
        assert run.left == [cycle + Fifo.latency for cycle in run.accepted]
        assert run.accepted == list(range(run.accepted[0], run.accepted[0] + len(words)))


def test_it_holds_its_depth():
    """With a stalled output it accepts ``depth`` words, those in the queue besides, and then no more."""
    dut = Fifo(width=8, depth=20, target="generic")
    accepted = [0]

    async def process(ctx, rst):
        ctx.set(dut.i.valid, 1)
        for _ in range(100):
            accepted[0] += ctx.get(dut.i.ready)
            await ctx.tick()

    simulate(dut, process)
    assert 20 <= accepted[0] <= 20 + WAITING


def test_a_reset_empties_it():
    dut = Fifo(width=8, depth=16, target="generic")
    left = []

    async def process(ctx, rst):
        ctx.set(dut.o.ready, 1)
        for cycle in range(40):
            ctx.set(dut.i.valid, cycle < 6 or cycle == 20)
            ctx.set(dut.i.payload, cycle)
            ctx.set(rst, cycle == 6)
            if ctx.get(dut.o.valid):
                left.append((cycle, ctx.get(dut.o.payload)))
            await ctx.tick()

    simulate(dut, process)
    assert left == [(5, 0), (6, 1), (20 + Fifo.latency, 20)]
