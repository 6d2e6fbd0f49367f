"""The linear unit's model, cycle by cycle: against Amaranth's simulator and against the emitted Verilog."""

import numpy as np
import pytest

from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.linear import LinearConfig
from qse_hw.sim.cycle.linear import LinearModel
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.trace.amaranth_trace import simulate
from qse_hw.sim.trace.trace import record_all
from tests.rtl_gen.formats import make
from tests.sim.cycle.linear_stimuli import job, results, stimulus
from tests.simulators import icarus


def config(name, inputs, outputs, rows, columns, target="generic"):
    return LinearConfig(
        format=make(name), inputs=inputs, outputs=outputs, rows=rows, columns=columns, target=target
    )


UNITS = [
    config("se8", 12, 6, 2, 4),
    config("se8-silu", 7, 6, 3, 2),  # a last beat that is not full
    config("int8", 3, 4, 4, 3, "ecp5"),  # a vector in one beat, several lanes
    config("se9-paper", 1, 1, 1, 1),
    config("sticky-offset", 5, 3, 1, 2, "ecp5"),
    config("se8", 6, 6, 6, 2),  # two lanes
]


def stimuli(unit, rng, seed=31):
    first, second = job(rng, unit, 3), job(rng, unit, 12)
    return [
        stimulus(rng, unit, [first, second]),
        stimulus(rng, unit, [first, second], seed=seed),
        stimulus(rng, unit, [first, second], seed=seed + 1, noise=True),
    ]


@pytest.mark.every(8)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.label)
def test_equals_the_component(rng, unit):
    for given in stimuli(unit, rng):
        assert first_difference(LinearModel(unit).run(given), simulate(unit.component(), given)) == ""


@pytest.mark.full
@pytest.mark.parametrize("simulator", ["verilator", icarus])
@pytest.mark.parametrize("unit", UNITS[1:3], ids=lambda unit: unit.label)
def test_equals_the_verilog(rng, tmp_path, unit, simulator):
    given = stimuli(unit, rng)
    recorded = record_all(emit(unit), given, folder=tmp_path, simulator=simulator)
    for one, trace in zip(given, recorded, strict=True):
        assert first_difference(LinearModel(unit).run(one), trace) == ""


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.label)
def test_full_speed(rng, unit):
    """A vector per ``tiling.cycles`` cycles, the first after the latency; what golden says."""
    jobs = [job(rng, unit, 1), job(rng, unit, 8)]
    model = LinearModel(unit)
    trace = model.run(stimulus(rng, unit, jobs))
    want = np.concatenate([one.results(unit)[0].reshape(-1) for one in jobs])
    np.testing.assert_array_equal(results(trace), want)
    per_vector = unit.outputs // unit.lanes
    left = np.flatnonzero(trace["o__valid"])[per_vector:].reshape(-1, per_vector)[:, 0]
    loaded = np.flatnonzero(trace["i__valid"] & trace["i__ready"])[unit.tiling.beats :][unit.tiling.beats - 1]
    assert left.tolist() == [loaded + model.latency + n * unit.tiling.cycles for n in range(8)]


def test_what_happens(rng):
    """The comparisons above saw stalls on all sides, words refused and taken in between, results clamped and not."""
    unit = UNITS[0]
    trace = LinearModel(unit).run(stimuli(unit, rng)[2])
    for stream in ("i", "o", "weights"):
        valid, ready = trace[f"{stream}__valid"], trace[f"{stream}__ready"]
        assert (valid & ~ready).any()
        assert (valid & ready).any()
    assert {-1, 0, 1} == set(np.diff(trace["saturated"].astype(int)).tolist())
    first = int(np.flatnonzero(trace["o__valid"])[0])
    assert (trace["weights__valid"] & trace["weights__ready"])[first:].any()


def test_another_weight_makes_a_difference(rng):
    unit = UNITS[0]
    given = stimuli(unit, rng)[1]
    trace = LinearModel(unit).run(given)
    given.ports["weights__payload"][0] ^= 0x80
    assert first_difference(LinearModel(unit).run(given), trace)
