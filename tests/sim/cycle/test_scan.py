"""The scan's model, cycle by cycle: against Amaranth's simulator and against the emitted Verilog."""

import numpy as np
import pytest

from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.scan import ScanConfig
from qse_hw.sim.cycle.scan import ScanModel
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.trace.amaranth_trace import simulate
from qse_hw.sim.trace.trace import record_all
from tests.sim.cycle.scan_stimuli import expected, job, results, stimulus

UNITS = [
    ScanConfig(channels=7, states=2, lanes=2),  # a token of the fewest groups
    ScanConfig(channels=6, states=6, lanes=2, layers=3, x_bits=9, a_bits=18, d_bits=20),
    ScanConfig(channels=10, states=4, lanes=4, layers=2, target="ecp5"),
    ScanConfig(channels=3, states=12, lanes=3, state_bits=24, decay_shift=0, target="ecp5"),
]


def jobs(unit, rng, tokens=6):
    """The first token of all is a sequence's first, as the memory has no defined contents before."""
    return [job(rng, unit, 2, first=np.array([True, False])), job(rng, unit, tokens)]


def stimuli(unit, rng):
    made = jobs(unit, rng)
    return [
        stimulus(rng, unit, made),
        stimulus(rng, unit, made, seed=51),
        stimulus(rng, unit, made, seed=52, noise=True),
    ]


@pytest.mark.full
@pytest.mark.every(4)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.label)
def test_equals_the_component(rng, unit):
    given = stimulus(rng, unit, jobs(unit, rng, 3), seed=53, noise=True)
    assert first_difference(ScanModel(unit).run(given), simulate(unit.component(), given)) == ""


@pytest.mark.full
@pytest.mark.parametrize("unit", UNITS[1:], ids=lambda unit: unit.label)
def test_equals_the_verilog(rng, tmp_path, unit):
    given = stimuli(unit, rng)
    recorded = record_all(emit(unit), given, folder=tmp_path, simulator="verilator")
    for one, trace in zip(given, recorded, strict=True):
        assert first_difference(ScanModel(unit).run(one), trace) == ""


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.label)
def test_full_speed(rng, unit):
    """An output the latency after each beat; what golden says, the states carried over to the second job."""
    made, model = jobs(unit, rng), ScanModel(unit)
    trace = model.run(stimulus(rng, unit, made))
    np.testing.assert_array_equal(results(unit, trace), expected(unit, made).y)
    accepted, left = (np.flatnonzero(trace[f"{side}__valid"] & trace[f"{side}__ready"]) for side in "io")
    np.testing.assert_array_equal(left, accepted + model.latency)
    assert np.diff(accepted)[-unit.channels // unit.layers + 1 :].tolist() == [unit.groups] * (
        unit.channels // unit.layers - 1
    )


@pytest.mark.parametrize(("states", "lanes"), [(2, 2), (8, 2), (7, 1)])
def test_no_pause_between_channels_and_tokens(rng, states, lanes):
    """A group per cycle, if a set of coefficients serves enough of them for the next to be loaded meanwhile."""
    unit = ScanConfig(channels=24, states=states, lanes=lanes)
    made = [job(rng, unit, 12)]
    trace = ScanModel(unit).run(stimulus(rng, unit, made))
    accepted = np.flatnonzero(trace["i__valid"] & trace["i__ready"])
    assert set(np.diff(accepted).tolist()) == {unit.groups}


def test_what_happens(rng):
    """The comparisons above saw stalls on all sides, words refused and taken in between, every flag set and not."""
    trace = ScanModel(UNITS[0]).run(stimuli(UNITS[0], rng)[2])
    for stream in ("i", "o", "parameters", "decays", "coefficients"):
        valid, ready = trace[f"{stream}__valid"], trace[f"{stream}__ready"]
        assert (valid & ~ready).any(), stream
        assert (valid & ready).any(), stream
    for flag in ("inflow_saturated", "state_saturated", "scan_saturated"):
        assert {-1, 0, 1} == set(np.diff(trace[flag].astype(int)).tolist()), flag
    first = int(np.flatnonzero(trace["o__valid"])[0])
    assert (trace["parameters__valid"] & trace["parameters__ready"])[first:].any()
