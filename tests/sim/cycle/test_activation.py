"""The activation's model, cycle by cycle: against Amaranth's simulator and against the emitted Verilog."""

import numpy as np
import pytest

from qse_hw.golden.formats.scale import Scale
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.activation import ActivationConfig
from qse_hw.sim.cycle.activation import ActivationModel
from qse_hw.sim.cycle.stimulus import Stimulus, random_runs
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.packing import pack
from qse_hw.sim.trace.amaranth_trace import simulate
from qse_hw.sim.trace.trace import record_all
from tests.rtl_gen.formats import make
from tests.rtl_gen.pointwise.small import SMALL

UNITS = [
    ActivationConfig(format=make("se8"), lanes=2, **SMALL),
    ActivationConfig(format=make("se8-silu"), target="ecp5", **SMALL),
    ActivationConfig(format=make("int8"), scale_bits=9, **SMALL),
]


def stimuli(unit, rng):
    """At full speed, and with stalls on both sides, each beat with one of a few scales; ``clear`` at any time."""
    beats = pack(rng.integers(0, 256, (250, unit.lanes)), 8)
    reach = unit.default_scale().step
    scales = [Scale.from_step(float(reach) * factor, unit.scale_bits) for factor in (0.3, 1, 2.7)]
    made = []
    for cycles, stalls in ((290, False), (900, True)):
        which = rng.integers(0, 3, cycles)
        always = np.ones(cycles, np.bool_)
        ports = {
            "clear": random_runs(rng, cycles),
            "scale_m": np.array([scale.M for scale in scales])[which],
            "scale_k": np.array([scale.k for scale in scales])[which],
        }
        offer, accept = (random_runs(rng, cycles) if stalls else always for _ in range(2))
        made.append(Stimulus(beats=beats, offer=offer, accept=accept, ports=ports))
    return made


@pytest.mark.every(3)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.label)
def test_equals_the_component(rng, unit):
    for given in stimuli(unit, rng):
        assert first_difference(ActivationModel(unit).run(given), simulate(unit.component(), given)) == ""


@pytest.mark.full
@pytest.mark.parametrize("unit", UNITS[:2], ids=lambda unit: unit.label)
def test_equals_the_verilog(rng, tmp_path, unit):
    given = stimuli(unit, rng)
    recorded = record_all(emit(unit), given, folder=tmp_path)
    for stimulus, trace in zip(given, recorded, strict=True):
        assert first_difference(ActivationModel(unit).run(stimulus), trace) == ""


def test_what_happens(rng):
    """The comparisons above saw stalls, and a flag that rises and falls."""
    trace = ActivationModel(UNITS[0]).run(stimuli(UNITS[0], rng)[1])
    assert (trace["i__valid"] & ~trace["i__ready"]).any()
    changes = np.diff(trace["saturated"].astype(int))
    assert (changes > 0).any()
    assert (changes < 0).any()
