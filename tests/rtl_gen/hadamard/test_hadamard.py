"""The Hadamard transform, in Amaranth's simulator, against golden: sizes, extremes, gaps, stalls, reset, refusals."""

from itertools import product

import numpy as np
import pytest
from amaranth.hdl import Shape

from qse_hw.golden.errors import InputError
from qse_hw.golden.reference.hadamard import growth, matrix, transform
from qse_hw.rtl_gen.hadamard.hadamard import Hadamard
from qse_hw.rtl_gen.units.hadamard import HadamardConfig
from qse_hw.sim.cycle.stimulus import Stimulus, full_speed, random_runs, random_stalls
from qse_hw.sim.packing import pack, unpack
from qse_hw.sim.trace.amaranth_trace import simulate
from tests.rtl_gen import bench
from tests.rtl_gen.bench import refused, used

# every order, every number of lanes, distances of 1 beat, in registers (up to 4 beats) and in memories (8 and more)
SIZES = [
    (2, 1), (2, 2), (4, 1), (8, 1), (8, 8), (16, 1), (32, 1), (32, 4), (128, 4), (128, 8),
    (12, 1), (24, 1), (24, 2), (96, 4), (96, 8), (20, 1), (80, 2), (160, 1), (40, 1), (80, 1), (160, 2), (160, 4),
]  # fmt: skip
STRUCTURES = [(2, 1), (8, 8), (32, 4), (24, 1), (96, 4), (80, 2), (40, 1), (160, 2)]


def beats_of(config, vectors):
    return pack(np.asarray(vectors).reshape(-1, config.lanes), config.width)


def random_vectors(rng, config, count):
    half = 1 << (config.width - 1)
    return rng.integers(-half, half, (count, config.size))


def run(config, stimulus, vectors):
    """The outputs are exactly the transformed ``vectors``; a stalled beat stays and does not change."""
    trace = simulate(config.component(), stimulus)
    valid, ready, payload = trace["o__valid"], trace["o__ready"], trace["o__payload"]
    waits = np.flatnonzero(valid[:-1] & ~ready[:-1])
    assert valid[waits + 1].all()
    np.testing.assert_array_equal(payload[waits + 1], payload[waits])
    width = config.width + growth(config.size)
    got = unpack(payload[valid & ready], width, config.lanes).reshape(-1, config.size)
    np.testing.assert_array_equal(got, transform(np.asarray(vectors), transpose=config.transpose) % (1 << width))
    return trace


def at_full_speed(config, vectors, more=0):
    beats = beats_of(config, vectors)
    return full_speed(beats, cycles=len(beats) + used(config.component()).latency + 20 + more)


def with_stalls(config, vectors, seed):
    """Cycles within which all outputs leave under random stalls."""
    beats = beats_of(config, vectors)
    print(f"seed of the stalls: {seed}")
    cycles = 4 * len(beats) + 4 * used(config.component()).latency + 100
    return random_stalls(beats, cycles=cycles, seed=seed)


@pytest.mark.every(12)
@pytest.mark.parametrize(
    ("size", "lanes", "transpose"), [*((*one, False) for one in SIZES), (24, 2, True), (20, 1, True), (80, 2, True)]
)
def test_full_speed(size, lanes, transpose, rng):
    """Without pauses, one beat per cycle enters and leaves."""
    config = HadamardConfig(size=size, width=6, lanes=lanes, transpose=transpose)
    vectors = random_vectors(rng, config, 5)
    trace = run(config, at_full_speed(config, vectors), vectors)
    latency, beats = used(config.component()).latency, 5 * size // lanes
    assert np.flatnonzero(trace["i__valid"] & trace["i__ready"]).tolist() == list(range(beats))
    assert np.flatnonzero(trace["o__valid"]).tolist() == list(range(latency, latency + beats))


@pytest.mark.every(32)
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("size", "lanes"), SIZES)
def test_random_stalls(size, lanes, seed, rng):
    config = HadamardConfig(size=size, width=6, lanes=lanes)
    vectors = random_vectors(rng, config, 4 if size > 50 else 12)
    trace = run(config, with_stalls(config, vectors, seed), vectors)
    assert (trace["o__valid"] & ~trace["o__ready"]).any()


@pytest.mark.every(6)
@pytest.mark.parametrize(("size", "lanes"), STRUCTURES)
def test_any_gap_between_vectors(size, lanes, rng):
    """The next vector may come at any time, also when the unit is empty."""
    config = HadamardConfig(size=size, width=4, lanes=lanes)
    beats, latency = size // lanes, used(config.component()).latency
    gaps = [*range(min(2 * beats, 12)), beats - 1, beats, beats + 1, 2 * beats, latency + beats, latency + 20]
    vectors = random_vectors(rng, config, len(gaps))
    offer = np.concatenate([np.arange(beats + gap) < beats for gap in gaps])
    stimulus = Stimulus(beats=beats_of(config, vectors), offer=offer, accept=np.ones(len(offer), bool))
    trace = run(config, stimulus, vectors)
    assert trace["i__ready"].all()


@pytest.mark.every(6)
@pytest.mark.parametrize(("size", "lanes"), STRUCTURES)
def test_everything_comes_out_by_itself(size, lanes, rng):
    """A single vector comes out without further input."""
    config = HadamardConfig(size=size, width=4, lanes=lanes)
    vectors = random_vectors(rng, config, 1)
    trace = run(config, at_full_speed(config, vectors, more=50), vectors)
    latency = used(config.component()).latency
    assert np.flatnonzero(trace["o__valid"]).tolist() == list(range(latency, latency + size // lanes))


@pytest.mark.every(6)
@pytest.mark.parametrize(("size", "lanes"), STRUCTURES)
def test_back_pressure_stops_the_unit(size, lanes, rng):
    """The queue fills, the input stops, and no beat is lost."""
    config = HadamardConfig(size=size, width=4, lanes=lanes)
    component = used(config.component())
    vectors = random_vectors(rng, config, 4 + 2 * component.latency * lanes // size)
    beats = beats_of(config, vectors)
    stopped = len(beats) + component.latency
    cycles = np.arange(3 * stopped + 50)
    stimulus = Stimulus(beats=beats, offer=cycles >= 0, accept=cycles >= stopped)
    trace = run(config, stimulus, vectors)
    assert not trace["i__ready"][stopped - 1]
    assert trace["o__valid"][stopped - 1]


@pytest.mark.parametrize(("size", "lanes", "width"), [(2, 1, 4), (4, 2, 2), (4, 1, 2), (8, 4, 1)])
def test_every_vector(size, lanes, width):
    config = HadamardConfig(size=size, width=width, lanes=lanes)
    half = 1 << (width - 1)
    vectors = np.array([*product(range(-half, half), repeat=size)])
    run(config, at_full_speed(config, vectors), vectors)


@pytest.mark.every(2)
@pytest.mark.parametrize(("size", "lanes"), [(16, 2), (12, 1), (20, 1), (40, 1)])
def test_every_impulse(size, lanes):
    """The columns of the matrix."""
    config = HadamardConfig(size=size, width=8, lanes=lanes)
    vectors = -128 * np.eye(size, dtype=np.int64)
    run(config, at_full_speed(config, vectors), vectors)


@pytest.mark.every(6)
@pytest.mark.parametrize("width", [1, 8])
@pytest.mark.parametrize(("size", "lanes"), STRUCTURES)
def test_extremes(size, lanes, width):
    """All values lowest, all highest, and the inputs that make each row's result largest and smallest."""
    config = HadamardConfig(size=size, width=width, lanes=lanes)
    low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
    rows = matrix(size)[:: max(1, size // 12)]
    worst = [np.where(rows > 0, high, low), np.where(rows > 0, low, high)]
    vectors = np.concatenate([np.full((1, size), low), np.full((1, size), high), *worst])
    run(config, at_full_speed(config, vectors), vectors)


@pytest.mark.full
@pytest.mark.parametrize(("size", "lanes"), [(512, 4), (768, 4), (1536, 8), (5120, 16), (8192, 32), (4096, 1)])
def test_the_sizes_of_models(size, lanes, rng):
    config = HadamardConfig(size=size, width=8, lanes=lanes)
    vectors = random_vectors(rng, config, 3)
    run(config, at_full_speed(config, vectors), vectors)
    run(config, with_stalls(config, vectors, 5), vectors)


@pytest.mark.every(6)
@pytest.mark.parametrize(("size", "lanes"), STRUCTURES)
def test_reset(size, lanes, rng):
    """A reset at any time discards everything inside; the next vector is treated as the first."""
    dut = HadamardConfig(size=size, width=4, lanes=lanes).component()
    config = HadamardConfig(size=size, width=4, lanes=lanes)
    vector = random_vectors(rng, config, 1)
    width = dut.output_width
    want = [bench.join(row, width) for row in transform(vector).reshape(-1, lanes)]
    beats = [bench.join(row, 4) for row in vector.reshape(-1, lanes)]
    busy = random_runs(rng, 3 * dut.latency)

    async def process(ctx, rst):
        ctx.set(dut.i.valid, 1)
        for cycle in range(2 * dut.latency + 3):
            ctx.set(dut.i.payload.as_value(), int(rng.integers(1 << min(32, 4 * lanes))))
            ctx.set(dut.o.ready, bool(busy[cycle]))
            await ctx.tick()
        ctx.set(dut.i.valid, 0)
        ctx.set(rst, 1)
        await ctx.tick()
        ctx.set(rst, 0)
        ctx.set(dut.o.ready, 1)
        for _ in range(2 * dut.latency):  # nothing comes
            assert ctx.get(dut.o.valid) == 0
            await ctx.tick()
        got, sent = [], 0
        for _ in range(dut.latency + 2 * len(beats) + 20):
            ctx.set(dut.i.valid, sent < len(beats))
            ctx.set(dut.i.payload.as_value(), beats[min(sent, len(beats) - 1)])
            sent += ctx.get(dut.i.ready) and sent < len(beats)
            if ctx.get(dut.o.valid):
                got.append(ctx.get(dut.o.payload.as_value()))
            await ctx.tick()
        assert got == want

    bench.simulate(dut, process)


def test_ports():
    dut = used(Hadamard(HadamardConfig(size=24, width=5, lanes=2)))
    assert sorted(dut.signature.members) == ["i", "o"]
    assert Shape.cast(dut.i.payload[0].shape()) == Shape(5, signed=True)
    assert Shape.cast(dut.o.payload[1].shape()) == Shape(10, signed=True)
    assert dut.output_width == 10
    assert dut.beats == 12


def test_numpys_integers_are_taken():
    used(Hadamard(HadamardConfig(size=np.int64(8), width=np.int32(3), lanes=np.int8(2))))


@pytest.mark.every(6)
@pytest.mark.parametrize(
    ("parameters", "error", "text"),
    [
        ({"size": 36}, InputError, "order must be 2^k, 12 2^k, 20 2^k or 40 2^k, not 36; pad"),
        ({"size": 1}, InputError, "Size must be from 2 to 65536, not 1"),
        ({"size": 1 << 17}, InputError, "Size must be from 2 to 65536, not 131072"),
        ({"size": 8.0}, TypeError, "'float' object cannot be interpreted as an integer"),
        ({"width": 0}, InputError, "Width must be from 1 to 27 for size 24, not 0"),
        ({"width": 28}, InputError, "Width must be from 1 to 27 for size 24, not 28"),
        ({"lanes": 0}, InputError, "Lanes must divide 2 (size 24 is 12 * 2), not 0"),
        ({"lanes": 4}, InputError, "Lanes must divide 2 (size 24 is 12 * 2), not 4"),
        ({"lanes": -1}, InputError, "Lanes must divide 2 (size 24 is 12 * 2), not -1"),
        ({"size": 8, "lanes": 3}, InputError, "Lanes must divide 8 (size 8 is 1 * 8), not 3"),
        ({"lanes": "2"}, TypeError, "'str' object cannot be interpreted as an integer"),
        ({"transpose": 1}, TypeError, "Transpose must be a bool, not 1"),
        ({"target": "ice40"}, InputError, "Target must be one of generic, ecp5, not 'ice40'"),
    ],
)
def test_refused(parameters, error, text):
    refused(error, text, lambda: Hadamard(HadamardConfig(**{"size": 24, "width": 8, "lanes": 1} | parameters)))
