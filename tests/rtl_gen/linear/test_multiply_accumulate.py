"""A row alone: sums of shifted products, accumulated."""

import pytest

from qse_hw.rtl_gen.lane.multiplier import multiplier_latency
from qse_hw.rtl_gen.linear.mantissa import split
from qse_hw.rtl_gen.linear.multiply_accumulate import Row, signed_for, sum_latency
from tests.rtl_gen.bench import simulate
from tests.rtl_gen.formats import make


@pytest.mark.every(3)
@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize("columns", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("name", ["int8", "se8", "se8-silu"])
def test_totals(name, columns, target, rng):
    """Groups of one to six beats; the extremes of mantissas, shifts and weights among them."""
    format = make(name)
    parts = split(format, 8)
    peak = max(abs(value + format.zero_point) for value in format.decoded.values())
    dut = Row(columns=columns, split=parts, peak=peak, limit=6 * columns * peak * 128, target=target)
    products, sums = multiplier_latency(parts.width, target), sum_latency(columns, parts, target)
    beats = []
    for group in range(40):
        for beat in range(int(rng.integers(1, 7))):
            values = rng.integers(-peak if format.signed else 0, peak + 1, columns)
            ranks = rng.integers(0, len(parts.shifts), columns)
            weights = rng.integers(-128, 128, columns)
            if group < 4:
                values[:], weights[:] = peak, (-128, 127, -128, 127)[group]
                ranks[:] = len(parts.shifts) - 1
            shifts = [parts.shifts[rank] for rank in ranks]
            mantissas = [
                max(min(int(value) >> shift, (1 << parts.width - 1) - 1), -(1 << parts.width - 1))
                for value, shift in zip(values, shifts, strict=True)
            ]
            beats.append((beat == 0, mantissas, shifts, ranks, [int(weight) for weight in weights]))
    ends = [*(beat[0] for beat in beats[1:]), True]
    want, total = [], 0
    for first, mantissas, shifts, _, weights in beats:
        added = sum((a << shift) * w for a, shift, w in zip(mantissas, shifts, weights, strict=True))
        total = added + (0 if first else total)
        want.append(total)
    seen = []

    async def process(ctx, rst):
        for cycle in range(len(beats) + sums + 1):
            if cycle < len(beats):
                for n in range(columns):
                    ctx.set(dut.mantissas[n], beats[cycle][1][n])
                    ctx.set(dut.weights[n], beats[cycle][4][n])
            if 0 <= cycle - products < len(beats):
                for n in range(columns):
                    ctx.set(dut.above[n], (1 << int(beats[cycle - products][3][n])) - 1)
            if 0 <= cycle - sums < len(beats):
                ctx.set(dut.more, not ends[cycle - sums])
            if cycle - sums >= 1:
                seen.append(ctx.get(dut.total))
            await ctx.tick()

    simulate(dut, process)
    assert seen == want


@pytest.mark.parametrize(("magnitude", "width"), [(0, 1), (1, 2), (127, 8), (128, 9), (100352, 18)])
def test_widths(magnitude, width):
    assert signed_for(magnitude) == width
