"""Decays alone: products around every border of the exponent's integer part, both ends, every shift."""

import numpy as np
import pytest

from qse_hw.golden.functions.exponential import EXP2
from qse_hw.rtl_gen.scan.decay import Decay
from tests.rtl_gen.bench import simulate


def decays(dut, pairs):
    seen = []

    async def process(ctx, rst):
        for cycle in range(len(pairs) + dut.latency):
            delta, A = pairs[min(cycle, len(pairs) - 1)]
            ctx.set(dut.delta, delta)
            ctx.set(dut.A, A)
            if cycle >= dut.latency:
                seen.append(ctx.get(dut.y))
            await ctx.tick()

    simulate(dut, process)
    return seen


@pytest.mark.every(12)
@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize(("bits", "shift"), [(18, 0), (18, 15), (16, 5), (2, 15), (9, 1)])
def test_equals_the_function(bits, shift, target, rng):
    top = (1 << bits) - 1
    deltas = [0, 1, (1 << 18) - 1, *(1 << rng.integers(0, 19, 60)) - 1]
    pairs = [(int(delta), int(A)) for delta in deltas for A in (0, 1, top)]
    for _ in range(400):  # v next to n, n + 1/2 and their neighbors
        delta = int(rng.integers(1, 1 << 18))
        border = int(rng.integers(0, 40)) << (15 + shift)
        pairs.append((delta, min(max(border // delta + int(rng.integers(-1, 3)), 0), top)))
    want = [EXP2.scalar((delta * A + (1 << shift >> 1)) >> shift) for delta, A in pairs]
    assert decays(Decay(bits=bits, shift=shift, target=target), pairs) == want
    assert (min(want) == 0) == ((top << 18 >> shift) > 17 << 16)
    assert max(want) == 1 << 15


def test_forgotten():
    """0 whatever delta and A are, also where the decay is nearest to 1."""
    dut, seen = Decay(bits=9, shift=3, target="generic"), []

    async def process(ctx, rst):
        for cycle in range(8 + dut.latency):
            ctx.set(dut.delta, 1)
            ctx.set(dut.A, 1)
            ctx.set(dut.forget, cycle - dut.forget_step in (0, 3, 4))
            if cycle >= dut.latency:
                seen.append(ctx.get(dut.y))
            await ctx.tick()

    simulate(dut, process)
    assert seen == [0, 32768, 32768, 0, 0, 32768, 32768, 32768]


def test_two_shifts_of_one_product():
    """Half is rounded up: v of 1/2 of a place counts as 1."""
    pairs = [(1, 1), (1, 3), (2, 1)]
    assert decays(Decay(bits=4, shift=1, target="generic"), pairs) == [EXP2.scalar(v) for v in (1, 2, 1)]
    np.testing.assert_array_equal(EXP2.array(np.array([1, 2])), [EXP2.scalar(1), EXP2.scalar(2)])
