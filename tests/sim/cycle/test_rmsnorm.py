"""RMSNorm's model, cycle by cycle: against Amaranth's simulator and against the emitted Verilog."""

from dataclasses import replace

import numpy as np
import pytest

from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.rmsnorm import RmsnormConfig
from qse_hw.sim.cycle.rmsnorm import RmsnormModel
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.trace.amaranth_trace import simulate
from qse_hw.sim.trace.trace import record_all
from tests.rtl_gen.formats import make
from tests.sim.cycle.rmsnorm_stimuli import expected, results, stimulus, tokens_of

SE8 = make("se8")
UNITS = [
    RmsnormConfig(format=SE8, size=12, eps=9, lanes=2),
    RmsnormConfig(format=make("se8-silu"), size=3, width=8, eps=1, lanes=3, degree=2),  # a token in one beat
    RmsnormConfig(format=make("int8"), size=40, eps=1000, target="ecp5"),
    RmsnormConfig(format=SE8, size=9, width=17, eps=1 << 40, lanes=3, target="ecp5"),
]


def stimuli(unit, rng):
    return [stimulus(rng, unit, tokens_of(rng, unit, 12), seed=seed) for seed in (None, 61, 62)]


@pytest.mark.full
@pytest.mark.every(4)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.label)
def test_equals_the_component(rng, unit):
    for given in stimuli(unit, rng):
        assert first_difference(RmsnormModel(unit).run(given), simulate(unit.component(), given)) == ""


@pytest.mark.full
@pytest.mark.parametrize("unit", UNITS[2:3], ids=lambda unit: unit.label)
def test_equals_the_verilog(rng, tmp_path, unit):
    given = stimuli(unit, rng)
    recorded = record_all(emit(unit), given, folder=tmp_path, simulator="verilator")
    for one, trace in zip(given, recorded, strict=True):
        assert first_difference(RmsnormModel(unit).run(one), trace) == ""


@pytest.mark.every(2)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.label)
def test_full_speed(rng, unit):
    """A beat per cycle without pause on either side, the first after the latency; what golden says."""
    values = tokens_of(rng, unit, 60)
    model, given = RmsnormModel(unit), stimulus(rng, unit, values)
    trace = model.run(given)
    np.testing.assert_array_equal(results(unit, trace), expected(unit, values, given, trace).codes)
    accepted, left = (np.flatnonzero(trace[f"{side}__valid"] & trace[f"{side}__ready"]) for side in "io")
    beats = unit.size // unit.lanes
    assert accepted.tolist() == list(range(60 * beats))
    assert left.tolist() == list(range(beats - 1 + model.latency, beats - 1 + model.latency + 60 * beats))


def test_what_happens(rng):
    """Stalls on both sides; codes saturated and not; with a stalled output the memory fills."""
    unit = UNITS[0]
    given = stimulus(rng, unit, tokens_of(rng, unit, 40), seed=63, more=200)
    stalled = replace(given, accept=given.accept & (np.arange(given.cycles) > 300))
    trace = RmsnormModel(unit).run(stalled)
    for stream in "io":
        valid, ready = trace[f"{stream}__valid"], trace[f"{stream}__ready"]
        assert (valid & ~ready).any()
        assert (valid & ready).any()
    assert {-1, 0, 1} == set(np.diff(trace["saturated"].astype(int)).tolist())
    assert first_difference(trace, simulate(unit.component(), stalled)) == ""
