"""The register slice loses, repeats and reorders no beat, at any pace."""

import random

import pytest

from qse_hw.rtl_gen.logic.register_slice import RegisterSlice
from tests.rtl_gen.bench import at_random, never, simulate


@pytest.mark.parametrize("stalled", [False, True])
def test_register_slice(stalled):
    dut, draw = RegisterSlice(16), random.Random(8)
    i_pause, o_pause = (at_random(1), at_random(2)) if stalled else (never, never)
    beats = [draw.getrandbits(16) for _ in range(600)]
    left, full = [], 0

    async def process(ctx, rst):
        nonlocal full
        sent, offered, waiting = 0, None, None
        cycle = 0
        while len(left) < len(beats):
            if offered is None and sent < len(beats) and not i_pause():
                offered, sent = beats[sent], sent + 1
            ctx.set(dut.i.valid, int(offered is not None))
            ctx.set(dut.i.payload, draw.getrandbits(16) if offered is None else offered)
            before = ctx.get(dut.i.ready), ctx.get(dut.o.valid), ctx.get(dut.o.payload)
            ready = not o_pause()
            ctx.set(dut.o.ready, int(ready))
            # no path: what the inputs are now changes nothing
            assert before == (ctx.get(dut.i.ready), ctx.get(dut.o.valid), ctx.get(dut.o.payload))
            i_ready, valid, payload = before
            assert waiting is None or (valid and payload == waiting)
            waiting = payload if valid and not ready else None
            if offered is not None and i_ready:
                offered = None
            full += not i_ready
            if valid and ready:
                left.append(payload)
            await ctx.tick()
            cycle += 1
        assert stalled or cycle == len(beats) + dut.latency

    simulate(dut, process)
    assert left == beats
    assert (full > 20) == stalled
