"""Operands' codes become beats for their own buffers."""

from qse_hw.golden.formats.presets import load_format
from qse_hw.rtl_gen.mixer.engine_input import Codes, EngineInput
from tests.rtl_gen.bench import at_random, simulate

OPERANDS = {
    "norm": Codes(load_format("se8:L=8"), 8, 1),
    "x": Codes(load_format("se8-silu"), 12, 1),
    "y": Codes(load_format("int8"), 12, 2),
}
COLUMNS, WIDTH = 4, 14


def test_vectors(rng):
    dut, left, sent = EngineInput(OPERANDS, columns=COLUMNS, width=WIDTH, target="generic"), [], []

    async def process(ctx, rst):
        i_pause, o_pause = at_random(31), at_random(32)
        for name in ("norm", "x", "y", "x", "norm"):  # one after another, as a mixer has them
            format, size, lanes = OPERANDS[name]
            vector = rng.choice(sorted(format.decoded), size)
            sent.append((list(OPERANDS).index(name), [format.decoded[code] for code in vector.tolist()]))
            port, beats, offered = getattr(dut, name), vector.reshape(-1, lanes).tolist(), False
            for _ in range(300):
                offered = bool(beats) and (offered or not i_pause())
                ctx.set(port.valid, offered)
                if offered:
                    ctx.set(port.payload, beats[0])
                ctx.set(dut.o.ready, not o_pause())
                beat = dut.o.payload
                if ctx.get(dut.o.valid) and ctx.get(dut.o.ready):
                    left.append((ctx.get(beat.vector), ctx.get(beat.last), [ctx.get(v) for v in beat["values"]]))
                if offered and ctx.get(port.ready):
                    beats.pop(0)
                    offered = False
                await ctx.tick()

    simulate(dut, process)
    expected = []
    for number, values in sent:
        groups = [values[n : n + COLUMNS] for n in range(0, len(values), COLUMNS)]
        expected += [(number, n == len(groups) - 1, group) for n, group in enumerate(groups)]
    assert left == expected
