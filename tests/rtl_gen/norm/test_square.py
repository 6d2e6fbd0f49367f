"""The square alone: every number of a few bits, wide ones around every carry, both targets."""

import numpy as np
import pytest

from qse_hw.rtl_gen.norm.square import Square, square_latency
from tests.rtl_gen.bench import simulate


def squares(width, target, numbers):
    dut, latency, seen = Square(width=width, target=target), square_latency(width, target), []

    async def process(ctx, rst):
        for cycle in range(len(numbers) + latency):
            ctx.set(dut.x, int(numbers[min(cycle, len(numbers) - 1)]))
            if cycle >= latency:
                seen.append(ctx.get(dut.p))
            await ctx.tick()

    simulate(dut, process)
    return seen


@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize("width", [2, 8, 18, 19, 24, 32])
def test_squares(width, target, rng):
    low = -1 << (width - 1)
    powers = 1 << np.arange(width - 1)
    near = np.concatenate([sign * powers + step for sign in (-1, 1) for step in (-1, 0, 1)])
    drawn = rng.integers(low, -low, 200)
    numbers = np.unique(np.concatenate([near, drawn, [low, low + 1, -low - 1]]).clip(low, -low - 1))
    assert squares(width, target, numbers) == [value * value for value in numbers.tolist()]
