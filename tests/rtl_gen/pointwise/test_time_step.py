"""The time steps, in Amaranth's simulator, against the scalar model: every small sum, a reset, constructor. Every
16-bit value is sent through the Verilog by tests/sim/exhaust.
"""

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.golden.reference.time_step import Parameters, pack_parameters, sum_scalar
from qse_hw.rtl_gen.pointwise.time_step import TimeStep
from qse_hw.rtl_gen.units.time_step import TimeStepConfig
from qse_hw.sim.trace.amaranth_trace import simulate
from tests.rtl_gen.bench import refused, used
from tests.rtl_gen.bench import simulate as run_bench
from tests.rtl_gen.pointwise.small import SMALL
from tests.sim.cycle.time_step_stimuli import results, stimulus


def outputs(unit, parameters, dt):
    """What the scalar model makes of dt (tokens, channels), and whether a sum was clamped or out of the domain."""
    softplus = unit.softplus.arithmetic
    columns = [part.tolist() for part in parameters]
    sums = [
        [sum_scalar(*values, unit.input.width) for values in zip(row, *columns, strict=True)] for row in dt.tolist()
    ]
    every = [one for row in sums for one in row]
    flag = any(one.saturated or not softplus.low <= one.value <= softplus.high for one in every)
    return [[softplus(one.value) for one in row] for row in sums], flag


@pytest.mark.every(2)
@pytest.mark.parametrize("target", ["generic", "ecp5"])
def test_all_places(target, rng):
    """A channel for each number of places; biases of every magnitude, and values, among them the ends."""
    unit = TimeStepConfig(channels=64, lanes=4, target=target, **SMALL)
    bias = rng.integers(-512, 512, 64) >> rng.integers(0, 9, 64)
    bias[:4] = [-512, 511, 511, -512]
    parameters = Parameters(np.arange(64) % 32, bias)
    dt = np.stack([np.full(64, value) for value in (-128, 127, -1, 0, 1, -2, 5, -64)] + [*unit.random_inputs(rng, 12)])
    trace = simulate(unit.component(), stimulus(rng, unit, [(parameters, dt)], seed=91))
    want, saturated = outputs(unit, parameters, dt)
    assert results(unit, trace).tolist() == want
    assert trace["saturated"].any() == saturated


def test_every_value_and_bias_near_the_ends(rng):
    """Every 8-bit value with the biases at which sums begin to be clamped, shifted and not."""
    unit = TimeStepConfig(channels=8, lanes=4, **SMALL)
    parameters = Parameters(np.repeat([0, 2], 4), np.tile([-256, -129, 127, 128], 2))
    dt = np.repeat(np.arange(-128, 128)[:, None], 8, axis=1)
    trace = simulate(unit.component(), stimulus(rng, unit, [(parameters, dt)]))
    assert results(unit, trace).tolist() == outputs(unit, parameters, dt)[0]


def test_the_flag_tells_of_sums_out_of_the_domain():
    """Softplus's domain ends where its output is the largest; 4 * 2**6 - 1 steps are below it, 64 more are not."""
    unit = TimeStepConfig(
        channels=1, input=input_type("s10e-6"), output=input_type("s9e-6"), error=SMALL["error"]
    )
    high = unit.softplus.arithmetic.high
    assert high < 511
    parameters = Parameters(np.zeros(1, np.int64), np.zeros(1, np.int64))
    for value, flag in ((high, False), (high + 1, True)):
        given = stimulus(np.random.default_rng(0), unit, [(parameters, np.array([[value]]))])
        given.ports["clear"][:] = False
        trace = simulate(unit.component(), given)
        assert results(unit, trace)[0, 0] == unit.softplus.arithmetic(high)
        assert trace["saturated"][-1] == flag


def test_a_reset_begins_with_channel_0(rng):
    unit = TimeStepConfig(channels=5, **SMALL)
    parameters, dt = unit.random_parameters(rng), unit.random_inputs(rng, 2)
    words = pack_parameters(parameters, width=8, lanes=1)
    dut, left = unit.component(), []

    async def process(ctx, rst):
        async def send(values):
            for value in values:
                ctx.set(dut.i.valid, int(value is not None))
                ctx.set(dut.i.payload[0], value or 0)
                if ctx.get(dut.o.valid):
                    left.append(ctx.get(dut.o.payload[0]))
                await ctx.tick()

        ctx.set(dut.o.ready, 1)
        ctx.set(dut.parameters.valid, 1)
        for address, word in zip(words.addresses.tolist(), words.words, strict=True):
            ctx.set(dut.parameters.payload.address, address)
            ctx.set(dut.parameters.payload.data, int.from_bytes(word.tobytes(), "little"))
            await ctx.tick()
        ctx.set(dut.parameters.valid, 0)
        await send(dt[0, :3].tolist())
        ctx.set(rst, 1)
        await send([None])
        ctx.set(rst, 0)
        left.clear()
        await send([*dt[1].tolist(), *[None] * (dut.latency + 1)])

    run_bench(dut, process)
    assert left == outputs(unit, parameters, dt[1:])[0][0]


def test_ports():
    dut = used(TimeStep(TimeStepConfig(channels=12, lanes=3, **SMALL)))
    assert sorted(dut.signature.members) == ["clear", "i", "o", "parameters", "saturated"]
    assert len(dut.i.payload.as_value()) == 24
    assert len(dut.o.payload.as_value()) == 30
    assert len(dut.parameters.payload.as_value()) == 2 + 2 + 5 + 10


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"lanes": 5}, "Channels must be a multiple of the 5 lanes, not 12; pad a token"),
        ({"input": input_type("bf16")}, "Input of a function must be fixed point, as in s16e-11, not bf16"),
        ({"target": "asic"}, "Target must be one of generic, ecp5, not 'asic'"),
    ],
)
def test_refused(change, text):
    refused(InputError, text, lambda: TimeStep(TimeStepConfig(**{"channels": 12, **SMALL} | change)))
