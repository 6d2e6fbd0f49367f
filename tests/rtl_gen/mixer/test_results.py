"""Sums become their results: rounded, saturated or encoded as in the golden model, each on its own stream."""

from collections import defaultdict

import numpy as np
import pytest

from qse_hw.golden.formats.presets import load_format
from qse_hw.golden.formats.segmented import SegmentedFormat
from qse_hw.golden.models.integer.formats import FixedPoint
from qse_hw.golden.models.integer.scalar_arithmetic import Saturated, ScalarArithmetic
from qse_hw.rtl_gen.mixer.results import TAGS, WIDE, Results
from tests.rtl_gen.bench import at_random, simulate

FORMAT = load_format("se8:L=8")


def expected(rows, format: SegmentedFormat):
    """Values by result (codes of dt_low), and which results saturated."""
    saturated = Saturated()
    golden, values = ScalarArithmetic(0, saturated), defaultdict(list)
    for result, total, M, k in rows:
        if result == "dt_low":
            value = golden.position(result, total * M, k, format)
            values[result].append(next(code for code, decoded in format.decoded.items() if decoded == value))
        else:
            values[result].append(
                golden.requantize(result, total, M, k, FixedPoint(bits=24 if result in WIDE else 16, exponent=0))
            )
    return dict(values), {result for (_, result), count in saturated.items() if count}


def drawn(rng, count):
    """Rows of all results: sums of every magnitude, both ends, multipliers with which some saturate."""
    sums = rng.normal(size=count) * 2.0 ** rng.integers(0, 32, count)
    sums = np.clip(np.rint(sums), -(2**31), 2**31 - 1).astype(np.int64)
    sums[:4] = -(2**31), 2**31 - 1, 0, -1
    results = rng.choice(list(TAGS), count).tolist()
    M, k = rng.integers(1 << 15, 1 << 16, count).tolist(), rng.integers(9, 40, count).tolist()
    return list(zip(results, sums.tolist(), M, k, strict=True))


@pytest.mark.every(2)
@pytest.mark.parametrize("target", ["generic", "ecp5"])
def test_equals_the_golden_model(target, rng):
    rows = drawn(rng, 400)
    values, saturated = expected(rows, FORMAT)
    assert saturated == set(TAGS)
    dut, left, flags = Results(FORMAT, target=target), defaultdict(list), [0]

    async def process(ctx, rst):
        offer, pauses = at_random(1), {name: at_random(2 + number) for name, number in TAGS.items()}
        waiting, offered = list(rows), False
        for _ in range(40 * len(rows)):
            offered = bool(waiting) and (offered or not offer())
            ctx.set(dut.i.valid, offered)
            if offered:
                result, total, M, k = waiting[0]
                ctx.set(dut.i.payload, {"sum": total, "m": M, "k": k, "tag": TAGS[result], "last": 0})
            for name in TAGS:
                ctx.set(getattr(dut, name).ready, not pauses[name]())
            for name in TAGS:
                port = getattr(dut, name)
                if ctx.get(port.valid) and ctx.get(port.ready):
                    left[name].append(ctx.get(port.payload))
            if offered and ctx.get(dut.i.ready):
                waiting.pop(0)
                offered = False
            await ctx.tick()
            if sum(map(len, left.values())) == len(rows):
                break
        await ctx.tick()
        flags[0] = ctx.get(dut.saturated)

    simulate(dut, process)
    assert left == values
    assert flags[0] == (1 << len(TAGS)) - 1


def test_only_the_results_that_saturate_are_flagged():
    dut, flags = Results(FORMAT, target="generic"), []
    rows = [("conv_input", 1 << 20, 1 << 15, 15), ("out", 1 << 20, 1 << 15, 15), ("gate", 5, 1 << 15, 15)]

    async def process(ctx, rst):
        for name in TAGS:
            ctx.set(getattr(dut, name).ready, 1)
        for result, total, M, k in rows:
            ctx.set(dut.i.valid, 1)
            ctx.set(dut.i.payload, {"sum": total, "m": M, "k": k, "tag": TAGS[result], "last": 0})
            await ctx.tick()
        ctx.set(dut.i.valid, 0)
        await ctx.tick().repeat(dut.latency + 2)
        flags.append(ctx.get(dut.saturated))
        ctx.set(dut.clear, 1)
        await ctx.tick()
        flags.append(ctx.get(dut.saturated))

    simulate(dut, process)
    assert flags == [1 << TAGS["conv_input"], 0]
