"""The convolution, in Amaranth's simulator, against the scalar model: shapes, sequences, resets, constructor."""

from dataclasses import replace

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.convolution import convolve_scalar, max_bias, pack_parameters, windows
from qse_hw.rtl_gen.convolution.convolution import Convolution
from qse_hw.rtl_gen.units.convolution import ConvolutionConfig
from qse_hw.rtl_gen.units.shared import mix_sequences
from qse_hw.sim.cycle.convolution import ConvolutionModel
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.trace.amaranth_trace import simulate
from tests.rtl_gen.bench import refused, used
from tests.rtl_gen.bench import simulate as run_bench
from tests.sim.cycle.convolution_stimuli import beats_of, payload_of, results, stimulus, tokens_of


def outputs(unit, parameters, values, first):
    """What the scalar model makes of tokens, (tokens, channels), and whether one was clamped."""
    seen = windows(values, np.repeat(first[:, None], unit.channels, axis=1), unit.taps)
    made = [
        [convolve_scalar(*(part[c].tolist() for part in (inputs, *parameters))) for c in range(unit.channels)]
        for inputs in seen
    ]
    return [[one.value for one in token] for token in made], any(one.saturated for token in made for one in token)


SHAPES = [(3, 4, 16, 1), (6, 3, 9, 2), (9, 2, 2, 3), (33, 4, 8, 1)]  # channels, taps, width, lanes


@pytest.mark.every(3)
@pytest.mark.parametrize("target", ["generic", "ecp5"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_under_stalls(shape, target, rng):
    unit = ConvolutionConfig(**dict(zip(("channels", "taps", "width", "lanes"), shape, strict=True)), target=target)
    parameters, values = unit.random_parameters(rng), tokens_of(rng, unit, 8)
    first = np.isin(np.arange(8), (0, 5, 6))
    trace = simulate(unit.component(), stimulus(rng, unit, [(parameters, values, first)], seed=81))
    want, saturated = outputs(unit, parameters, values, first)
    assert results(unit, trace).tolist() == want
    assert trace["saturated"].any() == saturated


def test_the_largest_sums(rng):
    """Sums at both ends of int32, with the largest biases, and every k."""
    unit = ConvolutionConfig(channels=64, lanes=2)
    parameters = unit.random_parameters(rng)
    signs = rng.choice([-1, 1], unit.channels)
    parameters = parameters._replace(
        taps=np.repeat(-128 * np.ones((unit.channels, 1), np.int64), 4, axis=1), bias=signs * max_bias(16, 4),
        k=np.arange(64),
    )  # fmt: skip
    values = np.tile(np.where(signs < 0, 32767, -32768), (5, 1))
    first = np.arange(5) == 0
    trace = simulate(unit.component(), stimulus(rng, unit, [(parameters, values, first)]))
    assert results(unit, trace).tolist() == outputs(unit, parameters, values, first)[0]


def test_two_sequences_in_a_row_equal_two_fresh_starts(rng):
    unit = ConvolutionConfig(channels=4, width=12)
    parameters = unit.random_parameters(rng)
    sequences = [tokens_of(rng, unit, length) for length in (5, 6)]
    starts = [np.arange(len(values)) == 0 for values in sequences]

    def made(values, first):
        return results(unit, simulate(unit.component(), stimulus(rng, unit, [(parameters, values, first)])))

    apart = [made(values, first) for values, first in zip(sequences, starts, strict=True)]
    np.testing.assert_array_equal(made(np.concatenate(sequences), np.concatenate(starts)), np.concatenate(apart))


@pytest.mark.every(3)
@pytest.mark.parametrize(
    ("sequences", "target", "channels", "lanes"), [(3, "generic", 3, 1), (2, "ecp5", 66, 2), (4, "generic", 10, 2)]
)
def test_mixed_sequences_equal_each_alone(sequences, target, channels, lanes, rng):
    """A token of the fewest beats, too. Some sequences begin again while others go on. The model equals the unit."""
    unit = ConvolutionConfig(channels=channels, width=9, lanes=lanes, sequences=sequences, target=target)
    parameters, values = unit.random_parameters(rng), tokens_of(rng, unit, 8 * sequences)
    numbers, first = mix_sequences(rng, rng.random(len(values)) < 0.2, sequences)
    offered = stimulus(rng, unit, [(parameters, values, first, numbers)], seed=82)
    trace = simulate(unit.component(), offered)
    assert first_difference(ConvolutionModel(unit).run(offered), trace) == ""
    made, alone = results(unit, trace), replace(unit, sequences=1)
    assert set(numbers) == set(range(sequences))
    for number in range(sequences):
        own = numbers == number
        assert made[own].tolist() == outputs(alone, parameters, values[own], first[own])[0]


@pytest.mark.parametrize("sequences", [1, 2])
def test_a_reset_within_a_token(sequences, rng):
    """The next beat is a token's first again; nothing of what was in the unit leaves or stays in the window. A sequence
    whose token was not inside goes on."""
    unit = ConvolutionConfig(channels=5, width=8, sequences=sequences)
    parameters, values = unit.random_parameters(rng), tokens_of(rng, unit, 4)
    first, numbers = np.array([True, False, True, False]), np.zeros(4, np.int64)
    if sequences == 2:
        first, numbers = np.array([True, True, False, True]), np.array([0, 1, 0, 1])
    words = payload_of(unit, pack_parameters(parameters, input_bits=8, lanes=1))
    beats = [int.from_bytes(row.tobytes(), "little") for row in beats_of(unit, values, first, numbers)]
    dut, left = unit.component(), []

    async def process(ctx, rst):
        async def tick():
            if ctx.get(dut.o.valid):
                left.append(ctx.get(dut.o.payload[0]))
            await ctx.tick()

        ctx.set(dut.o.ready, 1)
        ctx.set(dut.parameters.valid, 1)
        for row in words:
            ctx.set(dut.parameters.payload.as_value(), int.from_bytes(row.tobytes(), "little"))
            await tick()
        ctx.set(dut.parameters.valid, 0)
        ctx.set(dut.i.valid, 1)
        for beat in beats[:7]:
            ctx.set(dut.i.payload.as_value(), beat)
            await tick()
        ctx.set(dut.i.valid, 0)
        ctx.set(rst, 1)
        await tick()
        ctx.set(rst, 0)
        left.clear()
        ctx.set(dut.i.valid, 1)
        for beat in beats[10:]:
            ctx.set(dut.i.payload.as_value(), beat)
            await tick()
        ctx.set(dut.i.valid, 0)
        for _ in range(dut.latency + 1):
            await tick()

    run_bench(dut, process)
    seen = windows(values, np.repeat(first[:, None], unit.channels, axis=1), unit.taps, numbers)
    assert left == [
        convolve_scalar(*(part[c].tolist() for part in (inputs, *parameters))).value
        for inputs in seen[2:]
        for c in range(unit.channels)
    ]


def test_ports():
    dut = used(Convolution(ConvolutionConfig(channels=12, taps=3, width=9, lanes=3)))
    assert sorted(dut.signature.members) == ["clear", "i", "o", "parameters", "saturated"]
    assert len(dut.i.payload.as_value()) == 28
    assert len(used(Convolution(ConvolutionConfig(channels=12, sequences=4))).i.payload.as_value()) == 16 + 1 + 2
    assert len(dut.o.payload.as_value()) == 48
    assert len(dut.parameters.payload.as_value()) == 2 + 2 + 24 + 32 + 16 + 6


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"lanes": 5}, InputError, "Channels must be a multiple of the 5 lanes, and at least 3 times as many, not 12"),
        ({"lanes": 6}, InputError, "Channels must be a multiple of the 6 lanes, and at least 3 times as many, not 12"),
        ({"taps": 5}, InputError, "Taps must be from 2 to 4, not 5"),
        ({"width": 17}, InputError, "Width must be from 2 to 16, not 17"),
        ({"sequences": 257}, InputError, "Sequences must be from 1 to 256, not 257"),
        ({"target": "asic"}, InputError, "Target must be one of generic, ecp5, not 'asic'"),
    ],
)
def test_refused(change, error, text):
    refused(error, text, lambda: Convolution(ConvolutionConfig(**{"channels": 12} | change)))
