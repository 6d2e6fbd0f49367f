"""The handshake alone, against Amaranth's simulator, and payloads against a pipeline that is a list."""

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic import stall
from qse_hw.sim.cycle import pipeline
from qse_hw.sim.cycle.stimulus import Stimulus, full_speed, random_stalls
from qse_hw.sim.cycle.trace import first_difference
from qse_hw.sim.trace.amaranth_trace import simulate


class Wire(wiring.Component):
    """Hands its input on, ``latency`` cycles later."""

    def __init__(self, latency):
        self.latency = latency
        super().__init__({"i": In(stream.Signature(12)), "o": Out(stream.Signature(12))})

    def elaborate(self, platform):
        m = Module()
        advance, o_valid = stall.stall_control(m, i_valid=self.i.valid, o_ready=self.o.ready, latency=self.latency)
        m.d.comb += [self.i.ready.eq(advance), self.o.valid.eq(o_valid)]
        value = self.i.payload
        for number in range(self.latency):
            stage = Signal.like(value, name=f"stage{number}")
            with m.If(advance):
                m.d.sync += stage.eq(value)
            value = stage
        m.d.comb += self.o.payload.eq(value)
        return m


def stimuli(beats):
    yield full_speed(beats, cycles=100)
    yield full_speed(beats[:20], cycles=100)
    yield full_speed(beats[:0], cycles=20)
    yield full_speed(beats, cycles=0)
    for seed in range(10):
        print(f"seed of the stalls: {seed}")
        yield random_stalls(beats, cycles=300, seed=seed)
    stuck = full_speed(beats, cycles=30)
    yield Stimulus(beats=beats, offer=stuck.offer, accept=~stuck.accept)


@pytest.mark.parametrize("latency", [1, 2, 5, 70])
def test_equals_the_component(rng, latency):
    beats = rng.integers(0, 256, (200, 2), dtype=np.uint8)
    beats[:, 1] &= 0xF
    for stimulus in stimuli(beats):
        handshake = pipeline.stall_all(stimulus, latency)
        trace = pipeline.ports(stimulus, handshake, beats)
        assert first_difference(trace, simulate(Wire(latency), stimulus)) == ""
        assert [name for name, values in trace.items() if values.dtype != np.bool_] == ["i__payload", "o__payload"]


def test_full_speed():
    """One beat per cycle, ``latency`` cycles later."""
    handshake = pipeline.stall_all(full_speed(np.zeros((20, 1), np.uint8), cycles=50), 7)
    assert handshake.accepted.tolist() == list(range(20))
    assert handshake.left.tolist() == list(range(7, 27))


def test_inputs_of_the_stimulus_are_part_of_the_trace():
    stimulus = full_speed(np.zeros((2, 1), np.uint8), cycles=3, ports={"scale_m": np.array([5, 6, 7])})
    trace = pipeline.ports(stimulus, pipeline.stall_all(stimulus, 1), stimulus.beats, ("clear", "scale_m"))
    assert trace["scale_m"].tolist() == [5, 6, 7]
    assert trace["clear"].tolist() == [0, 0, 0]
    assert set(trace) == {"clear", "scale_m", *(f"{s}__{p}" for s in "io" for p in ("payload", "valid", "ready"))}
