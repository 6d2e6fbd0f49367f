"""The Hadamard transform's model, cycle by cycle: against Amaranth's simulator and against the emitted Verilog."""

import numpy as np
import pytest

from qse_hw.golden.reference.hadamard import growth, transform
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.hadamard import HadamardConfig
from qse_hw.sim.cycle import model
from qse_hw.sim.cycle.hadamard import HadamardModel
from qse_hw.sim.cycle.stimulus import full_speed, random_stalls
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.packing import pack, unpack
from qse_hw.sim.trace.amaranth_trace import simulate
from qse_hw.sim.trace.trace import record_all
from tests.simulators import icarus


def config(size, lanes, width=5, transpose=False, target="generic"):
    return HadamardConfig(size=size, width=width, lanes=lanes, transpose=transpose, target=target)


UNITS = [
    config(2, 1),
    config(8, 8),
    config(32, 2),
    config(24, 2, transpose=True),
    config(20, 1),
    config(160, 2),
]
# memories in look-up tables and, for the target ecp5, in blocks: delays, and the chunks of both orders
EMITTED = [
    config(64, 4, 8),
    config(256, 2, 6, target="ecp5"),
    config(384, 1, 13, transpose=True, target="ecp5"),
    config(40, 1),
    config(1280, 1, 3, target="ecp5"),
]


def stimuli(unit, rng, vectors=4, seed=51):
    """Random vectors at full speed and under stalls, the last of them not complete."""
    half = 1 << (unit.width - 1)
    values = rng.integers(-half, half, (vectors * unit.size // unit.lanes, unit.lanes))
    beats = pack(values, unit.width)[: len(values) - (unit.size > 2 * unit.lanes)]
    latency = HadamardModel(unit).latency
    print(f"seed of the stalls: {seed}")
    slow = 3 * len(beats) + 2 * latency
    return [
        full_speed(beats, cycles=len(beats) + latency + 20),
        random_stalls(beats, cycles=slow, seed=seed),
        random_stalls(beats, cycles=slow, seed=seed + 1),
    ]


@pytest.mark.every(6)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.label)
def test_equals_the_component(rng, unit):
    for given in stimuli(unit, rng, vectors=6):
        assert first_difference(HadamardModel(unit).run(given), simulate(unit.component(), given)) == ""


@pytest.mark.full
@pytest.mark.parametrize("simulator", ["verilator", icarus])
@pytest.mark.parametrize("unit", EMITTED, ids=lambda unit: unit.label)
def test_equals_the_verilog(rng, tmp_path, unit, simulator):
    given, emitted = stimuli(unit, rng), emit(unit)
    assert list(emitted.models) == (["DP16KD.v"] if unit.target == "ecp5" else [])
    recorded = record_all(emitted, given, folder=tmp_path, simulator=simulator)
    for one, trace in zip(given, recorded, strict=True):
        assert first_difference(HadamardModel(unit).run(one), trace) == ""


@pytest.mark.every(3)
@pytest.mark.parametrize(
    ("size", "lanes"),
    [(1 << k, 1 << w) for k in range(1, 12, 2) for w in range(0, k + 1, 3)] + [(1536, 4), (5120, 8), (2560, 1)],
)
def test_full_speed(rng, size, lanes):
    """A beat per cycle after the latency, whatever the number of stages; what golden says."""
    unit = config(size, lanes)
    vectors = rng.integers(-16, 16, (3 + 60 * lanes // size, size))
    beats = pack(vectors.reshape(-1, lanes), unit.width)
    model = HadamardModel(unit)
    trace = model.run(full_speed(beats, cycles=len(beats) + model.latency + 20))
    assert np.flatnonzero(trace["i__valid"]).tolist() == list(range(len(beats)))
    assert np.flatnonzero(trace["o__valid"]).tolist() == list(range(model.latency, model.latency + len(beats)))
    width = unit.width + growth(size)
    got = unpack(trace["o__payload"][trace["o__valid"]], width, lanes).reshape(vectors.shape)
    np.testing.assert_array_equal(got, transform(vectors) % (1 << width))


def test_what_happens(rng):
    """The comparisons above saw stalls on both sides, and gaps in what leaves."""
    unit = UNITS[2]
    trace = HadamardModel(unit).run(stimuli(unit, rng, vectors=6)[1])
    assert (trace["i__valid"] & ~trace["i__ready"]).any()
    assert (trace["o__valid"] & ~trace["o__ready"]).any()
    assert (~trace["o__valid"][np.argmax(trace["o__valid"]) :]).any()


def test_by_name():
    assert type(model(UNITS[0])) is HadamardModel
