"""The function unit's model, cycle by cycle: against Amaranth's simulator and against the emitted Verilog."""

import numpy as np
import pytest

from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.sim.cycle.function import FunctionModel
from qse_hw.sim.cycle.stimulus import full_speed, random_runs, random_stalls
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.packing import pack
from qse_hw.sim.trace.amaranth_trace import simulate
from qse_hw.sim.trace.trace import record_all
from tests.golden.functions.units import KINDS
from tests.rtl_gen.functions.test_function import config
from tests.simulators import icarus


def stimuli(unit, rng, seed=11):
    """Inputs at random, ``clear`` at any time."""
    print(f"seed of the stalls: {seed}")
    beats = pack(rng.integers(0, 1 << unit.input.width, (300, unit.lanes)), unit.input.width)
    fast, slow = len(beats) + 20, 3 * len(beats)
    return [
        full_speed(beats, cycles=fast, ports={"clear": rng.random(fast) < 0.1}),
        random_stalls(beats, cycles=slow, seed=seed, ports={"clear": random_runs(rng, slow)}),
    ]


@pytest.mark.every(8)
@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind['function']}-{kind['output']}")
def test_equals_the_component(rng, kind, lanes):
    unit = config(kind, lanes=lanes)
    for stimulus in stimuli(unit, rng):
        assert first_difference(FunctionModel(unit).run(stimulus), simulate(unit.component(), stimulus)) == ""


@pytest.mark.full
@pytest.mark.parametrize("simulator", ["verilator", icarus])
def test_equals_the_verilog(rng, tmp_path, simulator):
    unit = config(KINDS[1], lanes=2)
    given = stimuli(unit, rng)
    recorded = record_all(emit(unit), given, folder=tmp_path, simulator=simulator)
    for stimulus, trace in zip(given, recorded, strict=True):
        assert first_difference(FunctionModel(unit).run(stimulus), trace) == ""


def test_what_happens(rng):
    """The comparisons above saw stalls, and a flag that rises and falls."""
    unit = config(KINDS[1])
    trace = FunctionModel(unit).run(stimuli(unit, rng)[1])
    assert (trace["i__valid"] & ~trace["i__ready"]).any()
    changes = np.diff(trace["saturated"].astype(int))
    assert (changes > 0).any()
    assert (changes < 0).any()
