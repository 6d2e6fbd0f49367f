"""The requantizer alone: around every decision, at every shift, both targets."""

from collections import Counter

import numpy as np
import pytest

from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.scalar_arithmetic import ScalarArithmetic
from qse_hw.golden.reference import convolution
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


@pytest.mark.every(2)
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


@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize("bits", [2, 16, 24])
def test_another_scale_for_every_sum(bits, target, rng):
    """As a matrix-vector engine needs it: M and k of a row, half up; exactly the integer model's fixed point."""
    sums, M, k = sums_and_scales(rng, 600, least_k=0, reach=bits + 2)
    dut, latency = Requantizer(target=target, bits=bits, half="up", constant_k=False), requantizer_latency(target)
    seen = []

    async def process(ctx, rst):
        for cycle in range(len(sums) + latency):
            row = min(cycle, len(sums) - 1)
            for port, values in ((dut.a, sums), (dut.scale_m, M), (dut.scale_k, k)):
                ctx.set(port, values[row])
            if cycle >= latency:
                seen.append((ctx.get(dut.value), bool(ctx.get(dut.saturated))))
            await ctx.tick()

    simulate(dut, process)
    rows = list(zip(sums, M, k, strict=True))
    counted, to = Counter(), FixedPoint(bits=bits, exponent=0)
    model = ScalarArithmetic(3, counted)
    assert [value for value, _ in seen] == [model.requantize("t", *row, to) for row in rows]
    assert seen == [convolution.requantize_scalar(*row, bits) for row in rows]
    assert sum(saturated for _, saturated in seen) == counted[3, "t"] > 20


def sums_and_scales(rng, count, *, least_k, reach):
    """Sums of every size with both ends of int32, M with the top bit set, every k.

    In two thirds of the rows the result has up to ``reach`` bits and a sign.
    """
    sums = rng.integers(-(2**31), 2**31, count) >> rng.integers(0, 32, count)
    sums[:6] = -(2**31), 2**31 - 1, 0, 1, -1, -(2**31) + 1
    M = rng.integers(1 << 15, 1 << 16, count)
    M[10:20] = 1 << 15  # ties
    k = rng.integers(least_k, 64, count)
    k[:64] = np.maximum(np.arange(64), least_k)
    near = slice(count // 3, count)
    bits = np.frexp(np.abs(sums[near]).astype(np.float64) + 1)[1] + 16
    k[near] = np.clip(bits - rng.integers(0, reach + 1, bits.size), least_k, 63)
    return sums.tolist(), M.tolist(), k.tolist()
