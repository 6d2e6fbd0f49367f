"""The reciprocal square root in Amaranth's simulator, against golden."""

from fractions import Fraction

import numpy as np
import pytest
from amaranth.sim import Simulator

from qse_hw.golden.functions.root import reciprocal_root
from qse_hw.rtl_gen.functions.root import ReciprocalRoot


def outputs(component, values):
    """Mantissas and shifts, one value per cycle."""
    made = []

    async def bench(context):
        context.set(component.enable, 1)
        for cycle in range(len(values) + component.latency):
            context.set(component.x, values[min(cycle, len(values) - 1)])
            if cycle >= component.latency:
                made.append((context.get(component.mantissa), context.get(component.shift)))
            await context.tick()

    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return made


@pytest.mark.every(4)
@pytest.mark.parametrize(
    ("bits", "target", "error", "degree"),
    [(48, "generic", 12, 1), (48, "ecp5", 12, 1), (19, "generic", 12, 1), (62, "generic", 12, 1),
     pytest.param(20, "ecp5", 15, 2, marks=pytest.mark.full)],
    ids=str,
)  # fmt: skip
def test_wide_integers(bits, target, error, degree, rng):
    arithmetic = reciprocal_root(input_bits=bits, error=Fraction(1, 1 << error), degree=degree)
    edges = [(1 << n) + d for n in range(bits + 1) for d in (-1, 0, 1) if 0 < (1 << n) + d < 1 << bits]
    drawn = rng.integers(1, 1 << bits, 500) >> rng.integers(0, bits - 1, 500)
    values = [*edges, *np.maximum(drawn, 1).tolist()]
    component = ReciprocalRoot(arithmetic, target=target)
    assert outputs(component, values) == [tuple(arithmetic.scalar(v)) for v in values]


@pytest.mark.every(4)
@pytest.mark.parametrize("part", range(4))
def test_every_mantissa(part):
    arithmetic = reciprocal_root(input_bits=16)
    values = range((1 << 14) + part, 1 << 16, 128)
    assert outputs(ReciprocalRoot(arithmetic), values) == [tuple(arithmetic.scalar(v)) for v in values]
