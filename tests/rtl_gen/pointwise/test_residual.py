"""The residual stream, in Amaranth's simulator, against the scalar model: shapes, a reset, constructor."""

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.residual import add_scalar
from qse_hw.rtl_gen.pointwise.residual import Residual
from qse_hw.rtl_gen.units.residual import ResidualConfig
from qse_hw.sim.packing import signed, unpack
from qse_hw.sim.trace.amaranth_trace import simulate
from tests.rtl_gen.bench import refused, used
from tests.rtl_gen.bench import simulate as run_bench
from tests.sim.cycle.residual_stimuli import beats_of, draw, stimuli

SHAPES = [(5, 24, 1), (10, 3, 2), (15, 32, 3), (64, 8, 4)]  # size, width, lanes


def outputs(unit, values, load):
    """What the scalar model makes of vectors (vectors, size), and whether one value was clamped."""
    old, made = [0] * unit.size, []
    for x, loads in zip(values.tolist(), np.repeat(load, unit.lanes, axis=1).tolist(), strict=True):
        sums = [add_scalar(0 if loads[n] else old[n], x[n], unit.width) for n in range(unit.size)]
        old = [one.value for one in sums]
        made.append(sums)
    return [[one.value for one in sums] for sums in made], any(one.saturated for sums in made for one in sums)


@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes(shape, target, rng):
    """The shortest vectors follow each other at full speed; with stalls, too."""
    unit = ResidualConfig(**dict(zip(("size", "width", "lanes"), shape, strict=True)), target=target)
    values, load = draw(rng, unit, 10)
    load[0] = True
    want, saturated = outputs(unit, values, load)
    for given in stimuli(rng, unit, beats_of(unit, values, load)):
        trace = simulate(unit.component(), given)
        left = unpack(trace["o__payload"][trace["o__valid"] & trace["o__ready"]], unit.width, unit.lanes)
        assert signed(left, unit.width).reshape(-1, unit.size).tolist() == want
        assert trace["saturated"].any() == saturated


def test_every_sum_of_4_bits():
    """All pairs, one after another: the first loaded, the second added."""
    unit = ResidualConfig(size=16, width=4)
    old, x = (part.reshape(16, 16) for part in np.meshgrid(np.arange(-8, 8), np.arange(-8, 8)))
    values = np.stack([old, x], axis=1).reshape(-1, 16)
    load = np.repeat(np.arange(32) % 2 == 0, 16).reshape(-1, 16)
    trace = simulate(unit.component(), stimuli(np.random.default_rng(0), unit, beats_of(unit, values, load))[0])
    left = trace["o__payload"][trace["o__valid"] & trace["o__ready"]]
    assert signed(unpack(left, 4, 1), 4).reshape(-1, 16).tolist() == outputs(unit, values, load)[0]


def test_a_reset_within_a_vector(rng):
    """The next beat is a vector's first again; nothing of what was in the unit leaves or is stored."""
    unit = ResidualConfig(size=6, width=8)
    values, load = draw(rng, unit, 3)
    load[:] = [[True], [True], [False]]
    beats = [int.from_bytes(row.tobytes(), "little") for row in beats_of(unit, values, load)]
    dut, left = unit.component(), []

    async def process(ctx, rst):
        async def send(sent):
            for beat in sent:
                ctx.set(dut.i.valid, int(beat is not None))
                ctx.set(dut.i.payload.as_value(), beat or 0)
                if ctx.get(dut.o.valid):
                    left.append(ctx.get(dut.o.payload[0]))
                await ctx.tick()

        ctx.set(dut.o.ready, 1)
        await send(beats[:10])
        ctx.set(rst, 1)
        await send([None])
        ctx.set(rst, 0)
        left.clear()
        await send([*beats[6:], *[None] * (dut.latency + 1)])

    run_bench(dut, process)
    assert left == [value for vector in outputs(unit, values[1:], load[1:])[0] for value in vector]


def test_ports():
    dut = used(Residual(ResidualConfig(size=60, width=24, lanes=3)))
    assert sorted(dut.signature.members) == ["clear", "i", "o", "saturated"]
    assert (len(dut.i.payload.as_value()), len(dut.o.payload.as_value()), dut.latency) == (73, 72, 5)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"lanes": 5}, "Size must be a multiple of the 5 lanes, and at least 5 times as many, not 12; pad"),
        ({"lanes": 3}, "Size must be a multiple of the 3 lanes, and at least 5 times as many, not 12; pad"),
        ({"width": 33}, "Width must be from 2 to 32, not 33"),
        ({"target": "asic"}, "Target must be one of generic, ecp5, not 'asic'"),
    ],
)
def test_refused(change, text):
    refused(InputError, text, lambda: Residual(ResidualConfig(**{"size": 12} | change)))
