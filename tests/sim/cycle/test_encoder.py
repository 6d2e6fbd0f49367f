"""The encoder's model, cycle by cycle: against Amaranth's simulator and against the emitted Verilog."""

from dataclasses import replace

import numpy as np
import pytest

from qse_hw.golden.errors import InputError
from qse_hw.golden.formats.inputs import input_type
from qse_hw.rtl_gen.emit.emit import emit
from qse_hw.rtl_gen.units.encoder import EncoderConfig
from qse_hw.rtl_gen.units.shared import TARGETS
from qse_hw.sim.cycle.encoder import EncoderModel
from qse_hw.sim.cycle.stimulus import full_speed, random_runs, random_stalls
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.packing import pack
from qse_hw.sim.trace.amaranth_trace import simulate
from qse_hw.sim.trace.trace import record_all
from tests.rtl_gen import formats
from tests.simulators import icarus


def config(name, input_name, *, constant, bits=16, **others):
    input = input_type(input_name)
    scale = formats.scale_for(input, bits) if constant else None
    return EncoderConfig(format=formats.make(name), input=input, scale=scale, scale_bits=bits, **others)


def stimuli(unit, rng, seed=21, random=150):
    """Inputs around every decision; ``clear`` at any time; another scale in every cycle, if it is set at run time."""
    print(f"seed of the stalls: {seed}")
    scale = unit.scale or formats.scale_for(unit.input, unit.scale_bits)
    x = formats.patterns(unit.format, unit.input, scale, rng, random)
    beats = pack(x[: len(x) // unit.lanes * unit.lanes].reshape(-1, unit.lanes), unit.input.width)
    scales = [scale, *(formats.random_scale(rng, unit.scale_bits) for _ in range(3))]

    def ports(cycles, clear):
        others = {"clear": clear}
        if unit.scale is None:
            now = rng.choice(len(scales), cycles, p=(0.7, 0.1, 0.1, 0.1))
            others |= {"scale_m": np.array([s.M for s in scales])[now], "scale_k": np.array([s.k for s in scales])[now]}
        return others

    fast, slow = len(beats) + 20, 3 * len(beats)
    return [
        full_speed(beats, cycles=fast, ports=ports(fast, rng.random(fast) < 0.05)),
        random_stalls(beats, cycles=slow, seed=seed, ports=ports(slow, random_runs(rng, slow))),
        random_stalls(beats, cycles=slow, seed=seed + 1, ports=ports(slow, np.zeros(slow, np.bool_))),
    ]


UNITS = [
    *(config(name, "fp16", constant=True) for name in formats.SHIPPED),
    *(config("se8", input, constant=False) for input in formats.INPUTS),
    config("se8-silu", "s16", constant=True, bits=8, lanes=3, counter_width=3),
    config("se9-paper", "bf16", constant=False, bits=1, lanes=4, counter_width=1),
    config("int8", "fp32", constant=True, lanes=2, counter_width=64),
    config("se8", "s8", constant=True, lanes=5, counter_width=0),
    config("se8", "bf16", constant=True, arch="parallel", lanes=2),
    *(config("se8-silu", "bf16", constant=True, target=target, pipeline=n) for target in TARGETS for n in (0, 3)),
    config("se8", "s16", constant=False, target="ecp5"),
]


@pytest.mark.every(24)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.label)
def test_equals_the_component(rng, unit):
    for stimulus in stimuli(unit, rng):
        assert first_difference(EncoderModel(unit).run(stimulus), simulate(unit.component(), stimulus)) == ""


@pytest.mark.full
@pytest.mark.every(4)
@pytest.mark.parametrize("simulator", ["verilator", icarus])
@pytest.mark.parametrize(
    "unit",
    [
        config("se8", "bf16", constant=False, lanes=3, counter_width=6),
        config("se9-paper", "s16", constant=True, target="ecp5"),
    ],
    ids=lambda unit: unit.label,
)
def test_equals_the_verilog(rng, tmp_path, unit, simulator):
    given = stimuli(unit, rng)
    recorded = record_all(emit(unit), given, folder=tmp_path, simulator=simulator)
    for stimulus, trace in zip(given, recorded, strict=True):
        assert first_difference(EncoderModel(unit).run(stimulus), trace) == ""


def test_what_happens(rng):
    """The comparisons above saw stalls, flags that rise and fall, a counter that is cleared and that stops, full."""
    unit = config("se8", "fp16", constant=False, lanes=2, counter_width=4)
    cleared, counted = (EncoderModel(unit).run(stimulus) for stimulus in stimuli(unit, rng)[1:])
    assert (cleared["i__valid"] & ~cleared["i__ready"]).any()
    assert (cleared["o__valid"] & ~cleared["o__ready"]).any()
    for flag in ("saturated", "nan"):
        assert {-1, 0, 1} == set(np.diff(cleared[flag].astype(int)).tolist())
    count = counted["saturation_count"].astype(int)
    assert count[0] == 0
    assert count[-1] == 15
    assert {1, 2} <= set(np.diff(count).tolist())
    assert (np.diff(cleared["saturation_count"].astype(int)) < 0).any()


def test_full_speed(rng):
    """One beat per cycle, after the component's latency; flags a cycle later."""
    for unit in UNITS:
        model = EncoderModel(unit)
        stimulus = stimuli(unit, rng)[0]
        trace = model.run(stimulus)
        left = np.flatnonzero(trace["o__valid"])
        assert left.tolist() == list(range(model.latency, model.latency + len(stimulus.beats)))
        assert model.latency == unit.component().latency
        assert not trace["saturated"][: model.latency + 1].any()


def test_beats_that_are_never_accepted_need_no_scale():
    unit = config("se8", "s8", constant=False)
    beats = np.zeros((3, 1), np.uint8)
    waiting = replace(full_speed(beats, cycles=9), offer=np.zeros(9, np.bool_))
    assert not EncoderModel(unit).run(waiting)["o__valid"].any()
    with pytest.raises(InputError, match=r"^Scale M must be from 32768 to 65535"):
        EncoderModel(unit).run(full_speed(beats, cycles=9))
