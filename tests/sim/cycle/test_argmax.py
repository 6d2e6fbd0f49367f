"""The arg max's model, cycle by cycle: against Amaranth's simulator and against the emitted Verilog."""

import pytest

from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.argmax import ArgmaxConfig
from qse_hw.sim.cycle.argmax import ArgmaxModel
from qse_hw.sim.cycle.stimulus import full_speed, random_stalls
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.packing import pack
from qse_hw.sim.trace.amaranth_trace import simulate
from qse_hw.sim.trace.trace import record_all

UNITS = [
    ArgmaxConfig(size=1, width=5), ArgmaxConfig(size=7), ArgmaxConfig(size=12, width=4, lanes=3),
    ArgmaxConfig(size=8, width=32, lanes=8),
]  # fmt: skip


def stimuli(unit, rng):
    """At the end a token is not complete."""
    reach = rng.choice([1, (1 << (unit.width - 1)) - 1], (20, 1))
    tokens = rng.integers(-reach - 1, reach + 1, (20, unit.size))
    beats = pack(tokens.reshape(-1, unit.lanes), unit.width)
    beats = beats[: len(beats) - (unit.size > unit.lanes)]
    return [full_speed(beats, cycles=len(beats) + 12), random_stalls(beats, cycles=4 * len(beats), seed=51)]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.label)
def test_equals_the_component(rng, unit):
    for given in stimuli(unit, rng):
        assert first_difference(ArgmaxModel(unit).run(given), simulate(unit.component(), given)) == ""


@pytest.mark.full
@pytest.mark.parametrize("unit", UNITS[1:3], ids=lambda unit: unit.label)
def test_equals_the_verilog(rng, tmp_path, unit):
    given = stimuli(unit, rng)
    recorded = record_all(emit(unit), given, folder=tmp_path)
    for stimulus, trace in zip(given, recorded, strict=True):
        assert first_difference(ArgmaxModel(unit).run(stimulus), trace) == ""


def test_what_happens(rng):
    """A result comes after a token's last beat, in each token's time; with stalls a result waits, and input does."""
    unit = UNITS[1]
    fast, slow = (ArgmaxModel(unit).run(given) for given in stimuli(unit, rng))
    assert fast["i__ready"].all()
    assert fast["o__valid"].nonzero()[0].tolist() == [
        7 * token + 6 + unit.component().latency for token in range(19)
    ]
    assert (slow["o__valid"] & ~slow["o__ready"] & slow["i__valid"] & ~slow["i__ready"]).any()
