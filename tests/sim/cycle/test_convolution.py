"""The convolution's model, cycle by cycle: against Amaranth's simulator and against the emitted Verilog."""

import numpy as np
import pytest

from qse_hw.golden.reference.convolution import convolve, windows
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.convolution import ConvolutionConfig
from qse_hw.sim.cycle.convolution import ConvolutionModel
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.trace.amaranth_trace import simulate
from qse_hw.sim.trace.trace import record_all
from tests.sim.cycle.convolution_stimuli import results, stimulus, tokens_of

UNITS = [
    ConvolutionConfig(channels=3, width=16),
    ConvolutionConfig(channels=12, taps=3, width=9, lanes=3),
    ConvolutionConfig(channels=10, taps=2, width=8, lanes=2, target="ecp5"),
    ConvolutionConfig(channels=40, taps=4, width=16, target="ecp5"),
]


def jobs(unit, rng):
    """The first token of all is a sequence's first, as the memory has no defined contents before."""
    made = []
    for tokens in (3, 9):
        first = rng.random(tokens) < 0.3
        first[0] |= not made
        made.append((unit.random_parameters(rng), tokens_of(rng, unit, tokens), first))
    return made


def stimuli(unit, rng):
    given = jobs(unit, rng)
    return [
        stimulus(rng, unit, given),
        stimulus(rng, unit, given, seed=41),
        stimulus(rng, unit, given, seed=42, noise=True),
    ]


@pytest.mark.every(4)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.label)
def test_equals_the_component(rng, unit):
    for given in stimuli(unit, rng):
        assert first_difference(ConvolutionModel(unit).run(given), simulate(unit.component(), given)) == ""


@pytest.mark.full
@pytest.mark.parametrize("unit", UNITS[1:3], ids=lambda unit: unit.label)
def test_equals_the_verilog(rng, tmp_path, unit):
    given = stimuli(unit, rng)
    recorded = record_all(emit(unit), given, folder=tmp_path, simulator="verilator")
    for one, trace in zip(given, recorded, strict=True):
        assert first_difference(ConvolutionModel(unit).run(one), trace) == ""


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.label)
def test_full_speed(rng, unit):
    """A beat per cycle, the first after the latency; what golden says, the window carried over to the second job."""
    made, model = jobs(unit, rng), ConvolutionModel(unit)
    trace = model.run(stimulus(rng, unit, made))
    values, first = (np.concatenate([job[part] for job in made]) for part in (1, 2))
    seen = windows(values, np.repeat(first[:, None], unit.channels, axis=1), unit.taps)
    want = np.concatenate([convolve(seen[:3], made[0][0])[0], convolve(seen[3:], made[1][0])[0]])
    np.testing.assert_array_equal(results(unit, trace), want)
    accepted, left = (np.flatnonzero(trace[f"{side}__valid"] & trace[f"{side}__ready"]) for side in "io")
    np.testing.assert_array_equal(left, accepted + model.latency)
    assert (np.diff(accepted[-9 * unit.channels // unit.lanes :]) == 1).all()


def test_what_happens(rng):
    """The comparisons above saw stalls on all sides, words refused and taken in between, sums clamped and not."""
    trace = ConvolutionModel(UNITS[0]).run(stimuli(UNITS[0], rng)[2])
    for stream in ("i", "o", "parameters"):
        valid, ready = trace[f"{stream}__valid"], trace[f"{stream}__ready"]
        assert (valid & ~ready).any()
        assert (valid & ready).any()
    assert {-1, 0, 1} == set(np.diff(trace["saturated"].astype(int)).tolist())
    first = int(np.flatnonzero(trace["o__valid"])[0])
    assert (trace["parameters__valid"] & trace["parameters__ready"])[first:].any()
