"""Each word reaches its unit, and no other."""

from collections import defaultdict

from qse_hw.rtl_gen.mixer.parameter_bus import ParameterBus
from tests.rtl_gen.bench import at_random, simulate

UNITS = {"scalars": 9, "scan": 20, "time_step": 5}


def test_words_reach_their_units(rng):
    dut, left, names = ParameterBus(UNITS), defaultdict(list), [*UNITS, None]
    words = [(int(rng.integers(len(names))), int(rng.integers(1 << 20))) for _ in range(200)]

    async def process(ctx, rst):
        pauses = {name: at_random(number) for number, name in enumerate(UNITS)}
        for unit, word in words:
            ctx.set(dut.i.valid, 1)
            ctx.set(dut.i.payload, {"unit": unit, "word": word})
            for _ in range(100):
                for name in UNITS:
                    ctx.set(getattr(dut, name).ready, not pauses[name]())
                    if ctx.get(getattr(dut, name).valid) and ctx.get(getattr(dut, name).ready):
                        left[name].append(ctx.get(getattr(dut, name).payload))
                accepted = ctx.get(dut.i.ready)
                await ctx.tick()
                if accepted:
                    break

    simulate(dut, process)
    assert left == {
        name: [word % (1 << bits) for unit, word in words if names[unit] == name] for name, bits in UNITS.items()
    }
