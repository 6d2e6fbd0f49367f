"""An image that is sound, and images that are not."""

import zlib
from dataclasses import replace

import numpy as np
import pytest

from qse_hw.golden.models.integer.image.header import TABLES, Header, to_bytes
from qse_hw.rtl_gen.accelerator.image_words import ImageMap, hardware_crc
from qse_hw.rtl_gen.accelerator.loader import Loader
from tests.rtl_gen.bench import at_random, never, simulate

BITS = 64


@pytest.fixture(scope="module")
def tiny(image_map):
    """Where what is in an image of few words, which take a simulated checksum less long."""
    return ImageMap(
        replace(image_map.config, layers=1, d_model=8, d_inner=8, d_state=2, dt_rank=2, vocabulary=3, columns=2)
    )


@pytest.fixture(scope="module")
def content(tiny):
    """Such an image, of random parts."""
    rng, (_, *parts) = np.random.default_rng(4), tiny.regions.values()
    parts = [rng.bytes(length) for _, length in parts]
    header = Header(
        model="5eed" * 16, formats="face" * 16, sizes=tiny.sizes, crcs=tuple(map(zlib.crc32, parts)),
        hardware=hardware_crc(tiny.config),
    )  # fmt: skip
    made = to_bytes(header) + b"".join(parts)
    assert len(made) == tiny.size < 2 * TABLES
    return made


async def load(ctx, dut, image, i_pause=never, o_pause=never):
    """``(words, outcome)``: the words of parameters, and what is told."""
    size, passed, sent, cycle = BITS // 8, [], 0, 0
    words = [int.from_bytes(image[n : n + size], "little") for n in range(0, len(image), size)]
    quiet = 0
    while quiet < 6:
        valid, ready = sent < len(words) and not i_pause(), not o_pause()
        ctx.set(dut.i.valid, int(valid))
        ctx.set(dut.i.payload, words[sent] if valid else 0)
        ctx.set(dut.o.ready, int(ready))
        if ready and ctx.get(dut.o.valid):
            passed.append(ctx.get(dut.o.payload))
        sent += valid and ctx.get(dut.i.ready)
        if ctx.get(dut.mismatch) | ctx.get(dut.damaged):
            break
        quiet += sent == len(words)
        await ctx.tick()
        cycle += 1
    told = tuple(ctx.get(port) for port in (dut.done, dut.mismatch, dut.damaged))
    return passed, told, ctx.get(dut.region), sent


@pytest.mark.parametrize("stalled", [pytest.param(False, marks=pytest.mark.full), True])
def test_a_sound_image(content, tiny, stalled):
    dut, pause = Loader(tiny, bus_bits=BITS), at_random(2) if stalled else never
    begin, length = tiny.regions["parameters"]

    async def process(ctx, rst):
        words, told, _, sent = await load(ctx, dut, content, pause, pause)
        assert told == (1, 0, 0)
        assert sent == len(content) // (BITS // 8)
        assert b"".join(word.to_bytes(BITS // 8, "little") for word in words) == content[begin : begin + length]

    simulate(dut, process)


def test_images_that_are_not_suitable(content, tiny):
    """Each is refused within the words that tell: the header at once, a part at its end."""
    dut, size = Loader(tiny, bus_bits=BITS), BITS // 8
    places = [(0, 1), (8, 1), (36, 1), (140, 1), (12, 0), (48, 0), (300, 0)]
    regions = list(tiny.regions.values())

    async def process(ctx, rst):
        for place, mismatch in places:
            ctx.set(rst, 1)
            await ctx.tick()
            ctx.set(rst, 0)
            changed = bytearray(content)
            changed[place] ^= 4
            _, told, region, sent = await load(ctx, dut, changed)
            assert told == (0, mismatch, 1 - mismatch), place
            assert sent <= (place // size if mismatch else regions[0][1] // size) + 4
            assert region == 0 or place == 300
        for number in (2, 5):
            ctx.set(rst, 1)
            await ctx.tick()
            ctx.set(rst, 0)
            begin, length = regions[number]
            changed = bytearray(content)
            changed[begin + length - 1] ^= 128
            _, told, region, sent = await load(ctx, dut, changed)
            assert (told, region) == ((0, 0, 1), number)
            assert sent <= (begin + length) // size + 4

    simulate(dut, process)
