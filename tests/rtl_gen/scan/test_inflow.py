"""Inflows alone: every shift, both ends of the clamp."""

import pytest

from qse_hw.rtl_gen.scan.inflow import Inflow, inflow_bits, inflow_latency
from tests.rtl_gen.bench import simulate


@pytest.mark.parametrize(("bits", "target"), [(16, "generic"), (24, "generic"), (16, "ecp5"), (19, "ecp5")])
def test_equals_the_formula(bits, target, rng):
    dut, latency, seen = Inflow(state_bits=bits, target=target), inflow_latency(target), []
    product = latency - 4  # cycles until the shift is due
    half, low = 1 << 14, -1 << (inflow_bits(bits) - 1)
    given = [(flow, B, shift) for flow in (-65536, 65534) for B in (-32768, 32767) for shift in range(16)]
    for _ in range(600):
        flow, B = (int(rng.integers(-1 << n, 1 << n)) for n in (rng.integers(0, 17), rng.integers(0, 16)))
        given.append((flow, B, int(rng.integers(16))))

    async def process(ctx, rst):
        for cycle in range(len(given) + latency):
            flow, B, _ = given[min(cycle, len(given) - 1)]
            ctx.set(dut.flow, flow)
            ctx.set(dut.B, B)
            ctx.set(dut.shift, given[min(max(cycle - product, 0), len(given) - 1)][2])
            if cycle >= latency:
                seen.append(ctx.get(dut.inflow))
            await ctx.tick()

    simulate(dut, process)
    exact = [flow * B << 2 * shift for flow, B, shift in given]
    assert seen == [min(max(value, low), -low - 1) + half for value in exact]
    assert min(exact) < low
    assert max(exact) > -low
