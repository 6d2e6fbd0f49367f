"""Each reader walks through the layers by itself, all but the norm's a cycle late."""

from qse_hw.rtl_gen.mixer.layer_scalars import READERS, LayerScalars
from tests.rtl_gen.bench import simulate


def test_readers(rng):
    dut, layers = LayerScalars(layers=3, last_norm=True), 3
    words = [
        {name: {"m": int(rng.integers(1 << 16)), "k": int(rng.integers(-84, 85))} for name in ("norm", "x", "y")}
        | {"gated_shift": int(rng.integers(64))}
        for _ in range(layers + 1)
    ]  # fmt: skip
    steps = {name: rng.integers(0, 2, 40).tolist() for name in READERS}

    async def process(ctx, rst):
        ctx.set(dut.words.valid, 1)
        for layer, scalars in enumerate(words):
            ctx.set(dut.words.payload, {"layer": layer, "scalars": scalars})
            assert ctx.get(dut.words.ready)
            await ctx.tick()
        ctx.set(dut.words.valid, 0)
        at, asked = dict.fromkeys(READERS, 0), dict.fromkeys(READERS, 0)
        for cycle in range(40):
            for name in READERS:
                step = steps[name][cycle]
                scalar, value = words[at[name]][name], ctx.get(getattr(dut, name))
                assert value == scalar if name == "gated_shift" else (value.m, value.k) == (scalar["m"], scalar["k"])
                ctx.set(getattr(dut, f"{name}_next"), step)
                at[name] = (at[name] + (step if name == "norm" else asked[name])) % (layers + (name == "norm"))
                asked[name] = step
            await ctx.tick()

    simulate(dut, process)
