"""The reciprocal square root alone: around every power of two, the largest integer, every argument of the core."""

import numpy as np
import pytest

from qse_hw.rtl_gen.norm.root import Root
from qse_hw.rtl_gen.units.rmsnorm import RmsnormConfig
from tests.rtl_gen.bench import simulate
from tests.rtl_gen.formats import make


def config(size, width, **others):
    return RmsnormConfig(format=make("se8"), size=size, width=width, eps=1, **others)


def roots(unit, numbers):
    dut, seen = Root(unit.root, unit.core), []

    async def process(ctx, rst):
        for cycle in range(len(numbers) + dut.latency):
            ctx.set(dut.v, int(numbers[min(cycle, len(numbers) - 1)]))
            if cycle >= dut.latency:
                seen.append((ctx.get(dut.mantissa), ctx.get(dut.shift)))
            await ctx.tick()

    simulate(dut, process)
    return seen


@pytest.mark.parametrize(
    "unit",
    [config(1, 2), config(768, 24), config(65535, 24, degree=2), config(3, 9, target="ecp5")],
    ids=lambda unit: f"{unit.root.input_bits} bits",
)
def test_equals_golden(unit, rng):
    bits = unit.root.input_bits
    powers = [1 << n for n in range(bits)]
    near = [power + step for power in powers for step in (-2, -1, 0, 1, 2)] + [(1 << bits) - 1]
    drawn = [int(value) >> int(places) for value, places in zip(
        rng.integers(1 << 62, size=300), 62 - rng.integers(1, bits + 1, 300), strict=True)]  # fmt: skip
    numbers = sorted({value for value in near + drawn if 1 <= value < 1 << bits})
    assert roots(unit, numbers) == [tuple(unit.root.scalar(value)) for value in numbers]


@pytest.mark.full
def test_every_argument_of_the_core():
    unit = config(3, 9)
    numbers = np.arange(1 << 14, 1 << 16)
    assert roots(unit, numbers) == [tuple(unit.root.scalar(int(value))) for value in numbers]


def test_the_core_is_the_roots():
    for unit in (config(12, 24), config(12, 16, degree=2)):
        assert unit.core.arithmetic == unit.root.core
