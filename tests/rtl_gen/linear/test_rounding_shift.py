"""The rounding shift alone: every amount, narrow and wide inputs."""

import pytest

from qse_hw.rtl_gen.linear.rounding_shift import SHIFT_LATENCY, RoundingShift
from tests.rtl_gen.bench import simulate


@pytest.mark.parametrize(("width", "bits"), [(54, 16), (20, 16), (9, 16), (33, 2), (60, 24)])
def test_equals_the_formula(width, bits, rng):
    dut, seen = RoundingShift(width=width, bits=bits), []
    low, given = -1 << (width - 1), []
    for k in range(64):
        near = [n << k >> 1 for n in (-3, -1, 1, 3)]
        ends = [sign * (1 << (bits - 1 + k)) + step for sign in (-1, 1) for step in (-1 << k >> 1, -1, 0)]
        drawn = [int(rng.integers(low, -low)) >> int(rng.integers(width)) for _ in range(4)]
        given += [(min(max(a, low), -low - 1), k) for a in (low, -low - 1, *near, *ends, *drawn)]

    async def process(ctx, rst):
        for cycle in range(len(given) + SHIFT_LATENCY):
            a, k = given[min(cycle, len(given) - 1)]
            ctx.set(dut.a, a)
            ctx.set(dut.k, k)
            if cycle >= SHIFT_LATENCY:
                seen.append((ctx.get(dut.value), ctx.get(dut.saturated)))
            await ctx.tick()

    simulate(dut, process)
    rounded = [(a + (1 << k >> 1)) >> k for a, k in given]
    high = (1 << (bits - 1)) - 1
    clamped = [min(max(value, -high - 1), high) for value in rounded]
    assert seen == [(value, value != exact) for value, exact in zip(clamped, rounded, strict=True)]
