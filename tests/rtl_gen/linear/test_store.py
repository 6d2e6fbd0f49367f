"""The loadable memory."""

import pytest

from qse_hw.rtl_gen.linear.store import Store, address_bits
from tests.rtl_gen.bench import simulate


@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize(("banks", "depth"), [(1, 1), (1, 5), (3, 4), (3, 1), (4, 6)])
def test_words_are_where_they_were_written(banks, depth, target, rng):
    """Every address is read; writes to banks or places that do not exist change no word."""
    dut = Store(banks=banks, depth=depth, width=12, target=target)
    assert len(dut.address) == address_bits(banks, depth)
    bank_bits = (banks - 1).bit_length()
    want = [[0] * banks for _ in range(depth)]
    seen = []

    async def process(ctx, rst):
        for address in map(int, rng.permutation(1 << len(dut.address))):
            word, write = int(rng.integers(1 << 12)), int(rng.integers(4) > 0)
            ctx.set(dut.address, address)
            ctx.set(dut.data, word)
            ctx.set(dut.write, write)
            place, bank = address >> bank_bits, address % (1 << bank_bits)
            if write and place < depth and bank < banks:
                want[place][bank] = word
            await ctx.tick()
        ctx.set(dut.write, 0)
        ctx.set(rst, 1)  # which must not matter
        await ctx.tick()
        ctx.set(rst, 0)
        for place in range(depth + dut.latency):
            ctx.set(dut.place, min(place, depth - 1))
            if place >= dut.latency:
                seen.append([ctx.get(word) for word in dut.words])
            await ctx.tick()

    simulate(dut, process)
    assert seen == want
    assert any(map(any, want)) or depth == 1
