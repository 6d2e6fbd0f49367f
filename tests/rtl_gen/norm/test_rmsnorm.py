"""RMSNorm, in Amaranth's simulator, against the scalar model: shapes, formats, magnitudes, resets, constructor."""

from fractions import Fraction

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.scale import Scale
from qse_hw.golden.models.integer.functions import RECIPROCAL_ROOT
from qse_hw.golden.reference.norm import MAX_SCALE_K, MIN_SCALE_K, normalize_scalar
from qse_hw.rtl_gen.norm.rmsnorm import Rmsnorm
from qse_hw.rtl_gen.units.rmsnorm import RmsnormConfig
from qse_hw.sim.trace.amaranth_trace import simulate
from tests.rtl_gen.bench import refused, used
from tests.rtl_gen.bench import simulate as run_bench
from tests.rtl_gen.formats import make
from tests.sim.cycle.rmsnorm_stimuli import results, stimulus, tokens_of


def scalar(unit, values, scale):
    """The codes of one token, and whether one saturated."""
    made = normalize_scalar(values.tolist(), unit.root, unit.eps, scale, unit.format)
    return [one.code for one in made], any(one.saturated for one in made)


def check(rng, unit, values, scale, seed=None):
    given = stimulus(rng, unit, values, seed=seed)
    given.ports["scale_m"][:], given.ports["scale_k"][:] = scale.M, scale.k
    given.ports["clear"][:] = 0
    trace = simulate(unit.component(), given)
    want = [scalar(unit, token, scale) for token in values]
    assert results(unit, trace).tolist() == [codes for codes, _ in want]
    assert trace["saturated"][-1] == any(saturated for _, saturated in want)


SHAPES = [("se8", 6, 24, 1), ("int8-asym", 8, 12, 4), ("se9-paper", 5, 24, 5), ("se8-silu", 4, 2, 1)]


@pytest.mark.every(9)
@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_under_stalls(shape, target, rng):
    name, size, width, lanes = shape
    unit = RmsnormConfig(format=make(name), size=size, width=width, eps=5, lanes=lanes, target=target)
    check(rng, unit, tokens_of(rng, unit, 10), unit.scale_for(2.0), seed=91)


def test_the_root_is_that_of_the_integer_model():
    assert RmsnormConfig(format=make("se8"), size=12, eps=1).root.core == RECIPROCAL_ROOT.core


@pytest.mark.full
@pytest.mark.parametrize("target", ["generic", "ecp5"])
def test_the_ends(target, rng):
    """The largest and the smallest sums, the largest eps that fits, the ends of k."""
    for eps, k in ((1, MIN_SCALE_K), (1, MAX_SCALE_K), ((1 << 60) - 1, 20), (1 << 50, 30)):
        unit = RmsnormConfig(format=make("se8"), size=4, width=24, eps=eps, target=target)
        ends = [[-1 << 23] * 4, [(1 << 23) - 1] * 4, [0] * 4]
        values = np.array([*ends, [1, 0, 0, 0], [0, 0, 0, -1], [3, -70, 5, 1 << 22]])
        check(rng, unit, values, Scale(M=40001, k=k))


@pytest.mark.full
def test_a_token_does_not_depend_on_those_before_it(rng):
    """Two prompts in a row are two fresh starts."""
    unit = RmsnormConfig(format=make("se8"), size=8, eps=3, lanes=2)
    values, scale = tokens_of(rng, unit, 6), unit.scale_for(2.5)
    check(rng, unit, values, scale)
    check(rng, unit, values[::-1], scale)


@pytest.mark.every(3)
@pytest.mark.parametrize("cycles", [3, 17, 40])
def test_a_reset_within_a_token(cycles, rng):
    """The next beat is a token's first again, and nothing of what was in the unit leaves."""
    unit = RmsnormConfig(format=make("se8"), size=6, eps=3)
    values, scale = tokens_of(rng, unit, 12), unit.scale_for(2.5)
    dut, left = unit.component(), []

    async def process(ctx, rst):
        async def send(numbers):
            for number in numbers:
                ctx.set(dut.i.valid, 1)
                ctx.set(dut.i.payload[0], int(number))
                await tick()
            ctx.set(dut.i.valid, 0)

        async def tick():
            if ctx.get(dut.o.valid):
                left.append(ctx.get(dut.o.payload[0]))
            await ctx.tick()

        for port, value in ((dut.scale_m, scale.M), (dut.scale_k, scale.k), (dut.o.ready, 1)):
            ctx.set(port, value)
        await send(values.reshape(-1)[:cycles])
        ctx.set(rst, 1)
        await tick()
        ctx.set(rst, 0)
        left.clear()
        await send(values[-2:].reshape(-1))
        for _ in range(dut.latency + 10):
            await tick()

    run_bench(dut, process)
    assert left == [code for token in values[-2:] for code in scalar(unit, token, scale)[0]]


def test_ports():
    dut = used(Rmsnorm(RmsnormConfig(format=make("se9-paper"), size=12, eps=1, lanes=3)))
    assert sorted(dut.signature.members) == ["clear", "i", "o", "saturated", "scale_k", "scale_m"]
    assert len(dut.i.payload.as_value()) == 72
    assert len(dut.o.payload.as_value()) == 27


@pytest.mark.every(3)
@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"lanes": 5}, InputError, "Size must be a multiple of the 5 lanes, not 12"),
        ({"width": 25}, InputError, "Width must be from 2 to 24, not 25"),
        ({"eps": 0}, InputError, "Eps must be from 1 to 1152921504606846975, not 0"),
        ({"size": 65536}, InputError, "Sums of squares must have at most 62 bits, but of 65536 inputs of 24 bits"),
        ({"error": Fraction(1, 2)}, InputError, "Error of a reciprocal square root must be at most 0.0625, not 0.5"),
        ({"degree": 3}, InputError, "Degree must be from 1 to 2, not 3"),
    ],
)
def test_refused(change, error, text):
    refused(error, text, lambda: Rmsnorm(RmsnormConfig(**{"format": make("se8"), "size": 12, "eps": 1} | change)))
