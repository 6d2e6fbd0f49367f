"""Parts of words: order, ends of vectors, rate."""

import pytest

from qse_hw.rtl_gen.memory.unpack import Unpack
from tests.rtl_gen.bench import at_random, never, split, stream


@pytest.mark.parametrize(("wide", "narrow", "size"), [(64, 8, None), (64, 32, 5), (32, 32, 3), (32, 8, 1), (48, 16, 6)])
@pytest.mark.parametrize("stalled", [False, True])
def test_parts(wide, narrow, size, stalled, rng):
    dut, parts = Unpack(wide=wide, narrow=narrow, size=size), wide // narrow
    size = size or parts
    words = [int.from_bytes(rng.bytes(wide // 8), "little") for _ in range(3 * -(-size // parts))]
    per_vector = -(-size // parts)
    want = []
    for begin in range(0, len(words), per_vector):
        want += [part for word in words[begin : begin + per_vector] for part in split(word, narrow, parts)][:size]
    pause = at_random(3) if stalled else never
    run = stream(dut, words, i_pause=pause, o_pause=pause)
    assert run.payloads == want
    if not stalled:
        first = run.accepted[0] + dut.latency
        assert run.left == list(range(first, first + len(want)))
