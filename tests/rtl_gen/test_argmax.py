"""The arg max, in Amaranth's simulator, against the scalar model: shapes, ties, a reset, constructor."""

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.argmax import argmax_scalar
from qse_hw.rtl_gen.argmax import Argmax
from qse_hw.rtl_gen.emit.beats import join_lanes
from qse_hw.rtl_gen.units.argmax import ArgmaxConfig
from qse_hw.sim.cycle.stimulus import random_stalls
from qse_hw.sim.packing import pack
from qse_hw.sim.trace.amaranth_trace import simulate
from tests.rtl_gen.bench import refused, used
from tests.rtl_gen.bench import simulate as run_bench

SHAPES = [(1, 24, 1), (5, 24, 1), (12, 3, 3), (8, 32, 8), (10, 2, 5), (64, 16, 4)]  # size, width, lanes


def words_of(unit, tokens):
    """The results of tokens as the unit gives them."""
    mask = (1 << unit.width) - 1
    return [index | (value & mask) << unit.index_bits for index, value in map(argmax_scalar, tokens.tolist())]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_under_stalls(shape, rng):
    """All values, or few, so that there are ties, within a beat and across beats."""
    unit = ArgmaxConfig(**dict(zip(("size", "width", "lanes"), shape, strict=True)))
    low = -1 << (unit.width - 1)
    tokens = rng.integers(low, -low, (12, unit.size))
    tokens[4:8] = rng.integers(-1, 1, (4, unit.size))
    tokens[8:10] = [[low], [-low - 1]]
    beats = pack(tokens.reshape(-1, unit.lanes), unit.width)
    trace = simulate(unit.component(), random_stalls(beats, cycles=4 * len(beats) + 60, seed=83))
    left = trace["o__payload"][trace["o__valid"] & trace["o__ready"]]
    assert [int.from_bytes(row.tobytes(), "little") for row in left] == words_of(unit, tokens)


def test_every_pair():
    """All pairs of 4-bit integers, in one beat and in two."""
    values = np.arange(-8, 8)
    tokens = np.stack(np.meshgrid(values, values), axis=-1).reshape(-1, 2)
    for lanes in (1, 2):
        unit = ArgmaxConfig(size=2, width=4, lanes=lanes)
        beats = pack(tokens.reshape(-1, lanes), 4)
        trace = simulate(unit.component(), random_stalls(beats, cycles=4 * len(beats) + 60, seed=84))
        left = trace["o__payload"][trace["o__valid"] & trace["o__ready"]]
        assert left[:, 0].tolist() == words_of(unit, tokens)


def test_a_reset_within_a_token(rng):
    """The next beat is a token's first again, and nothing of the token before is left."""
    unit = ArgmaxConfig(size=5, width=8)
    token = rng.integers(-128, 0, (1, 5))
    dut, left = unit.component(), []

    async def process(ctx, rst):
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.i.payload.as_value(), 127)
        for _ in range(3):
            await ctx.tick()
        ctx.set(rst, 1)
        await ctx.tick()
        ctx.set(rst, 0)
        for beat in [*join_lanes(token, 8, 1), None, None, None]:
            ctx.set(dut.i.valid, int(beat is not None))
            ctx.set(dut.i.payload.as_value(), beat or 0)
            if ctx.get(dut.o.valid):
                left.append(ctx.get(dut.o.payload.as_value()))
            await ctx.tick()

    run_bench(dut, process)
    assert left == words_of(unit, token)


def test_ports():
    dut = used(Argmax(ArgmaxConfig(size=50280, lanes=4)))
    assert sorted(dut.signature.members) == ["i", "o"]
    assert (len(dut.i.payload.as_value()), len(dut.o.payload.as_value())) == (96, 16 + 24)
    assert dut.latency == 5


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"lanes": 5}, "Size must be a multiple of the 5 lanes, not 12; pad a token with the least value"),
        ({"size": 65537}, "Size must be from 1 to 65536, not 65537"),
        ({"width": 33}, "Width must be from 2 to 32, not 33"),
    ],
)
def test_refused(change, text):
    refused(InputError, text, lambda: Argmax(ArgmaxConfig(**{"size": 12} | change)))
