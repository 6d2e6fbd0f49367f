"""The requantizer alone: around every decision, at every shift, both targets."""

import numpy as np
import pytest

from qse_hw.golden.reference.linear import requantize_scalar
from qse_hw.rtl_gen.linear.requantize import Requantizer, requantizer_latency
from tests.golden.reference.test_linear import around_decisions
from tests.rtl_gen.bench import simulate


def run(target, jobs):
    """For each (M, k, accumulators): the values and flags, one per cycle."""
    dut, latency, results = Requantizer(target=target), requantizer_latency(target), []

    async def process(ctx, rst):
        for M, k, accumulators in jobs:
            ctx.set(dut.scale_m, M)
            ctx.set(dut.scale_k, k)
            seen = []
            for cycle in range(len(accumulators) + latency):
                ctx.set(dut.a, int(accumulators[min(cycle, len(accumulators) - 1)]))
                if cycle >= latency:
                    seen.append((ctx.get(dut.value), bool(ctx.get(dut.saturated))))
                await ctx.tick()
            results.append(seen)

    simulate(dut, process)
    return results


@pytest.mark.parametrize("target", ["generic", "ecp5"])
def test_around_every_decision(target, rng):
    """Every k; halves, ends of int8 and of int32, random numbers of every size."""
    jobs = []
    for k in range(64):
        M = int(rng.choice([0, 1, 3, 32768, 65535, int(rng.integers(1 << 16))]))
        near = around_decisions(max(M, 1), k)
        sizes = rng.integers(-(2**31), 2**31, 30) >> rng.integers(0, 32, 30)
        jobs.append((M, k, np.concatenate([rng.choice(near, min(len(near), 60), replace=False), sizes])))
    for (M, k, accumulators), seen in zip(jobs, run(target, jobs), strict=True):
        want = [requantize_scalar(int(a), M, k) for a in accumulators]
        assert seen == want, f"M {M}, k {k}, accumulators {accumulators.tolist()}"


@pytest.mark.full
@pytest.mark.parametrize("k", range(64))
def test_all_edges(k):
    jobs = [(M, k, around_decisions(M, k)) for M in (1, 2, 5, 128, 32768, 32769, 49151, 65535)]
    for (M, _, accumulators), seen in zip(jobs, run("generic", jobs), strict=True):
        assert seen == [requantize_scalar(int(a), M, k) for a in accumulators], f"M {M}, k {k}"


def test_small_numbers_exhaustively():
    """Every accumulator of 10 bits, shifted by 0 to 3: every tie, every clamp, both signs."""
    accumulators = np.arange(-512, 512)
    jobs = [(1, k, accumulators) for k in range(4)]
    for (M, k, _), seen in zip(jobs, run("generic", jobs), strict=True):
        want = [requantize_scalar(int(a), M, k) for a in accumulators]
        assert seen == want
        assert {flag for _, flag in seen} == ({False, True} if k < 2 or (k == 2 and (512, True)) else {False})
