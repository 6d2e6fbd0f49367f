"""The small parts between the streams: word widths, tokens, results, packets."""

from itertools import chain

import pytest
from amaranth.hdl import Value

from qse_hw.rtl_gen.accelerator.output import Output
from qse_hw.rtl_gen.accelerator.results import Results
from qse_hw.rtl_gen.accelerator.streams import WordStream
from qse_hw.rtl_gen.accelerator.tokens import Tokens
from tests.rtl_gen.bench import at_random, never, simulate, stream


@pytest.mark.parametrize(("bus", "bits", "size", "words"), [(64, 128, 3, 6), (64, 32, 5, 6), (64, 64, 3, 3)])
@pytest.mark.parametrize("pause", [never, at_random(4)])
def test_words(bus, bits, size, words, pause, rng):
    beats = [int.from_bytes(rng.bytes(bus // 8), "little") for _ in range(words)]
    run = stream(WordStream(bus_bits=bus, bits=bits, size=size), beats, i_pause=pause, o_pause=pause)
    if bits > bus:
        want = [low | high << bus for low, high in zip(beats[::2], beats[1::2], strict=True)]
    else:
        parts = [[beat >> low & ((1 << bits) - 1) for low in range(0, bus, bits)] for beat in beats]
        per_vector = -(-size * bits // bus)
        want = [part for n in range(0, words, per_vector) for part in [*chain(*parts[n : n + per_vector])][:size]]
    assert run.payloads == want


@pytest.mark.parametrize("pause", [never, at_random(6)])
def test_tokens(pause):
    """Unknown ids are dropped, and end sequences, too."""
    ids = [(3, 0), (36, 1), (37, 0), (5, 0), (1 << 31, 1), (6, 0), (7, 0), (64, 1), (99, 0), (0, 0)]
    run = stream(Tokens(vocabulary=37), [id | last << 32 for id, last in ids], i_pause=pause, o_pause=pause)
    assert [(token & 63, token >> 6) for token in run.payloads] == [(3, 1), (36, 0), (5, 1), (6, 1), (7, 0), (0, 1)]


SEVERAL = [  # id, last, sequence, and whether the token is its sequence's first; None: it is dropped
    (3, 0, 0, 1), (4, 0, 2, 1), (5, 1, 0, 0), (6, 0, 2, 0), (7, 0, 3, None), (8, 0, 0, 1), (37, 1, 2, None),
    (9, 0, 0, 0), (10, 0, 2, 1), (11, 1, 3, None), (12, 0, 1, 1), (38, 0, 1, None), (13, 0, 1, 0), (14, 0, 0, 0),
]  # fmt: skip


@pytest.mark.parametrize("pause", [never, at_random(7)])
def test_tokens_of_several_sequences(pause):
    """Each sequence begins and ends for itself; those that there are not are as tokens that are not."""
    beats = [id | last << 32 | sequence << 33 for id, last, sequence, _ in SEVERAL]
    run = stream(Tokens(vocabulary=37, sequences=3), beats, i_pause=pause, o_pause=pause)
    assert [(token & 63, token >> 6 & 1, token >> 7) for token in run.payloads] == [
        (id, first, sequence) for id, _, sequence, first in SEVERAL if first is not None
    ]


def test_sequences_by_command():
    """The command is for one of them; for one that there is not, and for a token of it, a flag is raised."""
    dut = Tokens(vocabulary=37, sequences=3)
    # in each cycle: the token's sequence, and that which begins; its first, and the flag, a cycle later
    cycles = [(0, None), (1, None), (0, 1), (0, None), (1, None), (3, None), (2, 7), (1, 0), (0, None), (0, None)]

    async def process(ctx, rst):
        ctx.set(dut.o.ready, 1)
        seen, misplaced = [], []
        for number in range(len(cycles) + 1):
            token, begins = cycles[number] if number < len(cycles) else (0, None)
            ctx.set(dut.i.valid, int(number < len(cycles)))
            ctx.set(dut.i.payload, {"id": number, "last": 0, "sequence": token})
            ctx.set(dut.new_sequence, int(begins is not None))
            ctx.set(dut.begun_sequence, begins or 0)
            if ctx.get(dut.o.valid):
                seen.append((ctx.get(dut.o.payload.id), ctx.get(dut.o.payload.first)))
            misplaced.append(ctx.get(dut.misplaced))
            assert not ctx.get(dut.dropped)
            await ctx.tick()
        assert seen == [(0, 1), (1, 1), (2, 0), (3, 0), (4, 1), (6, 1), (7, 0), (8, 1), (9, 0)]
        assert misplaced == [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]

    simulate(dut, process)


def test_a_sequence_by_command():
    dut = Tokens(vocabulary=37)

    async def process(ctx, rst):
        ctx.set(dut.o.ready, 1)
        firsts, dropped = [], 0
        for number in range(8):
            ctx.set(dut.i.valid, 1)
            ctx.set(dut.i.payload.id, 40 if number == 6 else number)
            ctx.set(dut.new_sequence, int(number == 3))
            if ctx.get(dut.o.valid):
                firsts.append((ctx.get(dut.o.payload.id), ctx.get(dut.o.payload.first)))
            dropped += ctx.get(dut.dropped)
            await ctx.tick()
        assert [id for id, first in firsts if first] == [0, 3]
        assert dropped == 1

    simulate(dut, process)


@pytest.mark.parametrize("logits", [False, True])
@pytest.mark.parametrize("pause", [never, at_random(8)])
def test_results(logits, pause, rng):
    size, tokens = 5, 4
    values = rng.integers(-(1 << 23), 1 << 23, (tokens, size))
    values[1] = 7  # of equal ones the first
    dut = Results(vocabulary=size)

    async def process(ctx, rst):
        ctx.set(dut.logits, int(logits))
        await ctx.tick()
        flat, got, sent, gap = values.ravel().tolist(), [], 0, False
        for _ in range(60 * tokens):
            gap = sent % size == 0 and not gap  # a cycle between tokens
            offered, ready = sent < len(flat) and not gap and not pause(), not pause()
            ctx.set(dut.i.valid, int(offered))
            ctx.set(dut.i.payload, flat[sent] if offered else 0)
            ctx.set(dut.o.ready, int(ready))
            ctx.set(dut.logits, int(logits) if gap else 1 - logits)  # what it is between tokens counts
            if ready and ctx.get(dut.o.valid):
                got.append((ctx.get(dut.o.payload.value), ctx.get(dut.o.payload.last)))
            sent += offered and ctx.get(dut.i.ready)
            await ctx.tick()
        if logits:
            assert got == [(value, int(n % size == size - 1)) for n, value in enumerate(flat)]
        else:
            assert got == [(int(own.argmax()), 1) for own in values]

    simulate(dut, process)


@pytest.mark.parametrize("sequences", [1, 3])
@pytest.mark.parametrize("left", [0, 1, 3])
def test_a_packet_that_is_cut_off_ends(left, sequences):
    """With one beat more, which is not kept, when the sink takes it; a whole packet with none. All beats are of its
    sequence."""
    dut = Output(sequences=sequences)

    async def process(ctx, rst):
        ctx.set(dut.open, 1)
        beats = []

        async def tick(ready):
            ctx.set(dut.o.ready, ready)
            if ready and ctx.get(dut.o.valid):
                beats.append(tuple(ctx.get(Value.cast(dut.o.payload[name])) for name in ("value", "last", "kept")))
                assert sequences == 1 or ctx.get(dut.o.payload.sequence) == 2
            await ctx.tick()

        if sequences > 1:
            ctx.set(dut.sequence, 2)
        for number in range(3):
            ctx.set(dut.i.valid, 1)
            ctx.set(dut.i.payload, {"value": -number, "last": int(number + 1 + left == 3)})
            await tick(1)
        ctx.set(dut.open, 0)
        if sequences > 1:
            ctx.set(dut.sequence, 1)
        ctx.set(dut.i.payload, {"value": 9, "last": 0})
        assert not ctx.get(dut.i.ready)
        for _ in range(4):
            await tick(0)
        assert ctx.get(dut.idle) == 1 or left != 0
        for _ in range(6):
            await tick(1)
        assert ctx.get(dut.idle)
        whole = [(-n, int(n + 1 + left == 3), 1) for n in range(3)]
        assert beats == whole + ([(0, 1, 0)] if left else [])

    simulate(dut, process)
