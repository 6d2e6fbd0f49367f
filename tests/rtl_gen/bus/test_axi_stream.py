"""Kept lanes."""

import pytest
from amaranth.hdl import Module, Signal

from qse_hw.rtl_gen.bus.axi_stream import bytes_of, kept
from tests.rtl_gen.bench import simulate


@pytest.mark.parametrize(("width", "size"), [(1, 1), (8, 1), (9, 2), (12, 2), (16, 2), (17, 3), (32, 4)])
def test_bytes_of(width, size):
    assert bytes_of(width) == size


@pytest.mark.parametrize("size", [1, 2, 3])
def test_kept_and_partial(size):
    """Every pattern of three lanes."""
    m, keep = Module(), Signal(3 * size)
    whole, partial = Signal(3), Signal(3)
    m.d.comb += [output.eq(value) for output, value in zip((whole, partial), kept(keep, 3), strict=True)]
    m.d.sync += Signal().eq(0)

    async def process(ctx, rst):
        for pattern in range(1 << (3 * size)):
            ctx.set(keep, pattern)
            lanes = [pattern >> (size * lane) & ((1 << size) - 1) for lane in range(3)]
            assert ctx.get(whole) == sum((lane == (1 << size) - 1) << n for n, lane in enumerate(lanes))
            assert ctx.get(partial) == sum((0 < lane < (1 << size) - 1) << n for n, lane in enumerate(lanes))

    simulate(m, process)
