"""The time steps' model, cycle by cycle: against Amaranth's simulator and against the emitted Verilog."""

import numpy as np
import pytest

from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.time_step import TimeStepConfig
from qse_hw.sim.cycle.time_step import TimeStepModel
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.trace.amaranth_trace import simulate
from qse_hw.sim.trace.trace import record_all
from tests.rtl_gen.pointwise.small import SMALL
from tests.sim.cycle.time_step_stimuli import stimulus

UNITS = [
    TimeStepConfig(channels=1, **SMALL),
    TimeStepConfig(channels=12, lanes=3, **SMALL),
    TimeStepConfig(channels=40, target="ecp5", **SMALL),
]


def stimuli(unit, rng):
    jobs = [(unit.random_parameters(rng), unit.random_inputs(rng, -(-tokens // unit.channels))) for tokens in (30, 150)]
    return [
        stimulus(rng, unit, jobs),
        stimulus(rng, unit, jobs, seed=71),
        stimulus(rng, unit, jobs, seed=72, noise=True),
    ]


@pytest.mark.every(4)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.label)
def test_equals_the_component(rng, unit):
    for given in stimuli(unit, rng):
        assert first_difference(TimeStepModel(unit).run(given), simulate(unit.component(), given)) == ""


@pytest.mark.full
@pytest.mark.parametrize("unit", UNITS[1:], ids=lambda unit: unit.label)
def test_equals_the_verilog(rng, tmp_path, unit):
    given = stimuli(unit, rng)
    recorded = record_all(emit(unit), given, folder=tmp_path)
    for one, trace in zip(given, recorded, strict=True):
        assert first_difference(TimeStepModel(unit).run(one), trace) == ""


def test_what_happens(rng):
    """The comparisons above saw stalls, parameters written meanwhile, a flag that rises and falls."""
    trace = TimeStepModel(UNITS[1]).run(stimuli(UNITS[1], rng)[2])
    assert (trace["i__valid"] & ~trace["i__ready"]).any()
    assert (trace["parameters__valid"] & ~trace["parameters__ready"]).any()
    changes = np.diff(trace["saturated"].astype(int))
    assert (changes > 0).any()
    assert (changes < 0).any()
