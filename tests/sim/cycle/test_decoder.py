"""The decoder's model, cycle by cycle: against Amaranth's simulator and against the emitted Verilog."""

import numpy as np
import pytest

from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.decoder import DecoderConfig
from qse_hw.sim.cycle.decoder import DecoderModel
from qse_hw.sim.cycle.stimulus import full_speed, random_runs, random_stalls
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.packing import pack
from qse_hw.sim.trace.amaranth_trace import simulate
from qse_hw.sim.trace.trace import record_all
from tests.rtl_gen import formats
from tests.simulators import icarus


def config(name, lanes):
    return DecoderConfig(format=formats.make(name), lanes=lanes)


def stimuli(config, rng, seed=11):
    """Every code, twice, in random order, assigned or not (of 12 bits a quarter); ``clear`` at any time."""
    print(f"seed of the stalls: {seed}")
    codes = rng.permutation(np.tile(np.arange(1 << config.format.bits), 2))[:1024]
    codes = codes[: len(codes) // config.lanes * config.lanes].reshape(-1, config.lanes)
    beats = pack(codes, config.format.bits)
    fast, slow = len(beats) + 20, 3 * len(beats)
    return [
        full_speed(beats, cycles=fast, ports={"clear": rng.random(fast) < 0.1}),
        random_stalls(beats, cycles=slow, seed=seed, ports={"clear": random_runs(rng, slow)}),
        random_stalls(beats, cycles=slow, seed=seed + 1),
    ]


@pytest.mark.every(18)
@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("name", [*formats.SHIPPED, *formats.DOCUMENTS])
def test_equals_the_component(rng, name, lanes):
    unit = config(name, lanes)
    for stimulus in stimuli(unit, rng):
        assert first_difference(DecoderModel(unit).run(stimulus), simulate(unit.component(), stimulus)) == ""


@pytest.mark.full
@pytest.mark.parametrize("simulator", ["verilator", icarus])
@pytest.mark.parametrize(("name", "lanes"), [("se9-paper", 3), ("se8-silu", 1)])
def test_equals_the_verilog(rng, tmp_path, name, lanes, simulator):
    unit = config(name, lanes)
    given = stimuli(unit, rng)
    recorded = record_all(emit(unit), given, folder=tmp_path, simulator=simulator)
    for stimulus, trace in zip(given, recorded, strict=True):
        assert first_difference(DecoderModel(unit).run(stimulus), trace) == ""


def test_what_happens(rng):
    """The comparisons above saw stalls, and flags that rise and fall."""
    unit = config(next(name for name in formats.DOCUMENTS if len(formats.make(name).decoded) < 200), 1)
    trace = DecoderModel(unit).run(stimuli(unit, rng)[1])
    assert (trace["i__valid"] & ~trace["i__ready"]).any()
    assert (trace["o__valid"] & ~trace["o__ready"]).any()
    assert {(bool(a), bool(b)) for a, b in np.stack([trace["invalid"][:-1], trace["invalid"][1:]], axis=1)} == {
        (a, b) for a in (False, True) for b in (False, True)
    }


def test_full_speed(rng):
    """One beat per cycle, after the component's latency."""
    unit = config("se8", 2)
    stimulus = stimuli(unit, rng)[0]
    model = DecoderModel(unit)
    left = np.flatnonzero(model.run(stimulus)["o__valid"])
    assert left.tolist() == list(range(model.latency, model.latency + len(stimulus.beats)))
    assert model.latency == unit.component().latency
