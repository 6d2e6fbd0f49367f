"""A tile's totals leave one per cycle, each tile in its own cycles; one tile's may wait."""

import pytest

from qse_hw.rtl_gen.linear.drain import Drain
from tests.rtl_gen.bench import simulate


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_against_a_list(rows, rng):
    """Tiles come as early as they may, or later; each leaves at least ``rows`` cycles after the one before it."""
    dut, left, expected = Drain(rows=rows, bits=8, note=3), [], []
    arrivals, begins, t, start = {}, [], 0, -rows
    for _ in range(40):
        # not before the tile before it begins to leave
        t = max(t + 1, start) + int(rng.choice([0, 0, 1, rows, 3 * rows]))
        start = max(t, start + rows)
        tile = (rng.integers(-128, 128, rows).tolist(), int(rng.integers(rows + 1)), int(rng.integers(8)))
        arrivals[t] = tile
        begins.append((start + 1, tile))
    for begin, (totals, count, note) in begins:
        expected += [(begin + n, totals[n], note, n == count - 1) for n in range(count)]

    async def process(ctx, rst):
        for cycle in range(t + 4 * rows + 4):
            ctx.set(dut.done, cycle in arrivals)
            totals, count, note = arrivals.get(cycle, ([0] * rows, 0, 0))
            for port, total in zip(dut.totals, totals, strict=True):
                ctx.set(port, total)
            ctx.set(dut.count, count)
            ctx.set(dut.note, note)
            if ctx.get(dut.valid):
                left.append((cycle, ctx.get(dut.total), ctx.get(dut.noted), bool(ctx.get(dut.last))))
            await ctx.tick()

    simulate(dut, process)
    assert left == expected
