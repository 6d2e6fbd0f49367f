"""Rows of the embedding out of memory, as the integer model has them."""

from dataclasses import replace

import pytest

from qse_hw.rtl_gen.accelerator.embedding import Embedding
from qse_hw.rtl_gen.mixer.model import embed
from tests.rtl_gen.bench import at_random, never, simulate

BASE = 5 * 64


@pytest.mark.every(2)
@pytest.mark.parametrize(("bits", "stalled"), [(64, False), (128, True)])
def test_every_token(parameters, image, image_map, bits, stalled):
    size, pause = bits // 8, at_random(5) if stalled else never
    several = 3 if stalled else 1  # sequences
    image_map = replace(image_map, config=replace(image_map.config, sequences=several))
    dut = Embedding(image_map, address_bits=32, bus_bits=bits, target="generic")
    tokens = [*range(0, 37, 3), 36, 1, 36]

    async def process(ctx, rst):
        ctx.set(dut.base, BASE // size)
        sent, words, values, cycle = 0, [], [], 0
        while len(values) < 24 * len(tokens):
            cycle += 1
            assert cycle < 200 * len(tokens)
            offered = sent < len(tokens) and not pause()
            ctx.set(dut.tokens.valid, int(offered))
            if offered:
                token = {"id": tokens[sent], "first": sent % 2}
                ctx.set(dut.tokens.payload, token | ({"sequence": sent % several} if several > 1 else {}))
            asks, gives, takes = (not pause() for _ in range(3))
            ctx.set(dut.ranges.ready, int(asks))
            ctx.set(dut.words.valid, int(gives and bool(words)))
            if words:
                ctx.set(dut.words.payload, words[0])
            ctx.set(dut.o.ready, int(takes))
            sent += offered and ctx.get(dut.tokens.ready)
            taken = bool(words) and gives and ctx.get(dut.words.ready)
            if asks and ctx.get(dut.ranges.valid):
                asked = ctx.get(dut.ranges.payload)
                begin = asked.word * size - BASE
                assert 0 < asked.count <= 2 + 24 // size
                for place in range(begin, begin + asked.count * size, size):
                    assert 0 <= place <= len(image) - size
                    words.append(int.from_bytes(image[place : place + size], "little"))
            if taken:
                words.pop(0)
            if takes and ctx.get(dut.o.valid):
                values.append((ctx.get(dut.o.payload.value), ctx.get(dut.o.payload.as_value()) >> 24))
            await ctx.tick()
        assert not words
        marks = [n % 2 | n % several << 1 for n in range(len(tokens))]
        rows = zip(marks, tokens, strict=True)
        want = [(value, mark) for mark, token in rows for value in embed(parameters, token).tolist()]
        assert values == want

    simulate(dut, process)
