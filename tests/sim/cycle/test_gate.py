"""The gate's model, cycle by cycle: against Amaranth's simulator and against the emitted Verilog."""

import numpy as np
import pytest

from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.pointwise.gate import WAITING
from qse_hw.rtl_gen.units.gate import GateConfig
from qse_hw.sim.cycle.gate import GateModel
from qse_hw.sim.cycle.stimulus import Offered, Stimulus, random_runs
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.packing import pack
from qse_hw.sim.trace.amaranth_trace import simulate
from qse_hw.sim.trace.trace import record_all
from tests.rtl_gen.pointwise.small import SMALL

UNITS = [GateConfig(lanes=2, **SMALL), GateConfig(target="ecp5", **SMALL)]
BEATS = 100


def stimuli(unit, rng):
    """At full speed; gates early, and late; with stalls on all sides, and fewer gates than values."""
    values = pack(rng.integers(-(1 << 15), 1 << 15, (BEATS, unit.lanes)), 16)
    gates = pack(rng.integers(0, 256, (BEATS, unit.lanes)), 8)
    made = []
    for i_first, gate_first, stalls, count in ((0, 0, False, BEATS), (60, 0, False, BEATS), (0, 60, False, BEATS),
                                               (5, 0, True, BEATS - 20)):  # fmt: skip
        cycles = BEATS * (4 if stalls else 1) + 100
        begun = [np.arange(cycles) >= first for first in (i_first, gate_first, 0)]
        offer, gate_offer, accept = (one & random_runs(rng, cycles) if stalls else one for one in begun)
        ports = {"clear": random_runs(rng, cycles), "shift": rng.integers(0, 20, cycles)}
        ports["shift"][rng.random(cycles) < 0.2] = 63
        streams = {"gate": Offered(beats=gates[:count], offer=gate_offer)}
        made.append(Stimulus(beats=values, offer=offer, accept=accept, ports=ports, streams=streams))
    return made


@pytest.mark.every(2)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.label)
def test_equals_the_component(rng, unit):
    for given in stimuli(unit, rng):
        assert first_difference(GateModel(unit).run(given), simulate(unit.component(), given)) == ""


@pytest.mark.full
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.label)
def test_equals_the_verilog(rng, tmp_path, unit):
    given = stimuli(unit, rng)
    recorded = record_all(emit(unit), given, folder=tmp_path)
    for stimulus, trace in zip(given, recorded, strict=True):
        assert first_difference(GateModel(unit).run(stimulus), trace) == ""


def test_what_happens(rng):
    """A beat per cycle at full speed; early gates fill the queue; late ones keep the values waiting."""
    fast, early, late, slow = (GateModel(UNITS[0]).run(given) for given in stimuli(UNITS[0], rng))
    accepted = np.flatnonzero(fast["i__valid"] & fast["i__ready"])
    assert accepted.tolist() == list(range(2, BEATS + 2))
    assert (early["gate__valid"] & early["gate__ready"])[:60].sum() == WAITING
    assert not late["i__ready"][:62].any()
    assert (slow["o__valid"] & slow["o__ready"]).sum() == BEATS - 20
    changes = np.diff(slow["saturated"].astype(int))
    assert (changes > 0).any()
    assert (changes < 0).any()
