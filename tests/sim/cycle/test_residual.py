"""The residual stream's model, cycle by cycle: against Amaranth's simulator and against the emitted Verilog."""

import numpy as np
import pytest

from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.residual import ResidualConfig
from qse_hw.sim.cycle.residual import ResidualModel
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.trace.amaranth_trace import simulate
from qse_hw.sim.trace.trace import record_all
from tests.sim.cycle.residual_stimuli import beats_of, draw, stimuli

UNITS = [
    ResidualConfig(size=5),
    ResidualConfig(size=24, width=6, lanes=3),
    ResidualConfig(size=20, width=12, lanes=4, target="ecp5"),
    ResidualConfig(size=48, width=32, target="ecp5"),
]


def given_to(unit, rng):
    """The first vector is loaded, as the memory has no defined contents before; the last one is not complete."""
    values, load = draw(rng, unit, 14)
    load[0] = True
    return stimuli(rng, unit, beats_of(unit, values, load)[:-2])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.label)
def test_equals_the_component(rng, unit):
    for given in given_to(unit, rng):
        assert first_difference(ResidualModel(unit).run(given), simulate(unit.component(), given)) == ""


@pytest.mark.full
@pytest.mark.parametrize("unit", UNITS[1::2], ids=lambda unit: unit.label)
def test_equals_the_verilog(rng, tmp_path, unit):
    given = given_to(unit, rng)
    recorded = record_all(emit(unit), given, folder=tmp_path)
    for stimulus, trace in zip(given, recorded, strict=True):
        assert first_difference(ResidualModel(unit).run(stimulus), trace) == ""


def test_what_happens(rng):
    """The comparisons above saw stalls, and a flag that rises and falls."""
    trace = ResidualModel(UNITS[1]).run(given_to(UNITS[1], rng)[1])
    assert (trace["i__valid"] & ~trace["i__ready"]).any()
    changes = np.diff(trace["saturated"].astype(int))
    assert (changes > 0).any()
    assert (changes < 0).any()
