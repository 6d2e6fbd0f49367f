"""Each part takes and gives beats in the cycles in which its unit does, with pauses on both sides."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.formats.presets import load_format
from qse_hw.rtl_gen.logic.fifo import Fifo as FifoUnit
from qse_hw.rtl_gen.logic.register_slice import RegisterSlice
from qse_hw.rtl_gen.logic.stall import stall_control
from qse_hw.rtl_gen.logic.streams import forward
from qse_hw.rtl_gen.mixer.pack import Pack as PackUnit
from qse_hw.rtl_gen.units.hadamard import HadamardConfig
from qse_hw.rtl_gen.units.rmsnorm import RmsnormConfig
from qse_hw.sim.cycle import pipeline
from qse_hw.sim.cycle.hadamard import HadamardModel
from qse_hw.sim.cycle.mixer.parts import NEVER, Fifo, Pack, Pipeline, Slice, SlicedPipeline
from qse_hw.sim.cycle.mixer.sources import accepts, offers
from qse_hw.sim.cycle.mixer.vectors import HadamardTiming, NormTiming
from qse_hw.sim.cycle.rmsnorm import RmsnormModel
from qse_hw.sim.cycle.stimulus import Stimulus, random_runs
from qse_hw.sim.trace.amaranth_trace import simulate

CYCLES = 600


def given(rng, beats, size, *, offer=None):
    """Zero beats of so many bytes, with pauses of both sides."""
    offer = random_runs(rng, CYCLES) if offer is None else offer
    return Stimulus(beats=np.zeros((beats, size), np.uint8), offer=offer, accept=random_runs(rng, CYCLES))


def run(stimulus, part):
    """The cycles in which ``part``, made with a sink, takes beats, and its sink does."""
    taken, left = [], []
    accept = accepts(stimulus.accept)

    def sink(cycle):
        left.append(accept(cycle))
        return left[-1]

    put, source = part(sink).put, offers(stimulus.offer, len(stimulus.beats))
    while (cycle := source(taken[-1] + 1 if taken else 0)) < NEVER:
        taken.append(put(cycle))
    return [[cycle for cycle in cycles if cycle < CYCLES] for cycles in (taken, left)]


def passed(trace):
    return [np.flatnonzero(trace[f"{name}__valid"] & trace[f"{name}__ready"]).tolist() for name in "io"]


@pytest.mark.parametrize("latency", [1, 2, 3, 8])
def test_pipeline(latency, rng):
    for _ in range(5):
        stimulus = given(rng, 200, 1)
        handshake = pipeline.stall_all(stimulus, latency)
        assert run(stimulus, lambda sink: Pipeline(latency, sink)) == [
            handshake.accepted.tolist(), handshake.left.tolist()
        ]  # fmt: skip


class Sliced(wiring.Component):
    """A pipeline that its register slice stops; ``enters``: a beat enters the slice."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))
    enters: Out(1)

    def __init__(self, latency):
        self.latency = latency
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.slice = part = RegisterSlice(8)
        advance, valid = stall_control(
            m, i_valid=self.i.valid, o_ready=part.i.ready, latency=self.latency, sliced=True
        )
        m.d.comb += [self.i.ready.eq(advance), part.i.valid.eq(valid), self.enters.eq(valid & part.i.ready)]
        forward(m, part.o, self.o)
        return m


@pytest.mark.parametrize("latency", [1, 2, 3, 8])
def test_sliced_pipeline(latency, rng):
    stimulus, enters = given(rng, 200, 1), []
    trace = simulate(Sliced(latency), stimulus)

    def part(sink):
        behind = Slice(sink)
        return SlicedPipeline(latency, behind, lambda cycle: enters.append(cycle) or behind.put(cycle))

    assert run(stimulus, part) == passed(trace)
    assert [cycle for cycle in enters if cycle < CYCLES] == np.flatnonzero(trace["enters"]).tolist()


def test_slice(rng):
    stimulus = given(rng, 200, 1)
    assert run(stimulus, Slice) == passed(simulate(RegisterSlice(8), stimulus))


@pytest.mark.parametrize(("size", "lanes"), [(12, 1), (24, 4), (4, 4)])
def test_norm(size, lanes, rng):
    unit = RmsnormConfig(format=load_format("se8"), size=size, eps=1, lanes=lanes)
    scale = {"scale_m": np.full(CYCLES, 1 << 15), "scale_k": np.full(CYCLES, 15)}
    for beats in (size // lanes, 150):
        plain = given(rng, beats, 3 * lanes)
        stimulus = Stimulus(beats=plain.beats, offer=plain.offer, accept=plain.accept, ports=scale)
        trace = RmsnormModel(unit).run(stimulus)
        assert run(stimulus, lambda sink: NormTiming(unit.component(), sink)) == passed(trace)


@pytest.mark.parametrize(("size", "lanes"), [(16, 1), (24, 2), (80, 2), (8, 8)])
def test_hadamard(size, lanes, rng):
    """The second vector comes when the first one has left."""
    unit = HadamardConfig(size=size, width=16, lanes=lanes)
    for _ in range(4):
        stimulus = given(rng, 2 * size // lanes, 2 * lanes)
        one = Stimulus(beats=stimulus.beats[: size // lanes], offer=stimulus.offer, accept=stimulus.accept)
        taken, left = passed(HadamardModel(unit).run(one))
        assert len(left) == len(taken)
        stimulus.offer[taken[-1] + 1 : left[-1] + 100] = False
        found = passed(HadamardModel(unit).run(stimulus))
        assert run(stimulus, lambda sink: HadamardTiming(unit.component(), sink)) == found
        assert len(found[1]) > len(left)


@pytest.mark.parametrize(("size", "narrow", "wide"), [(12, 1, 4), (10, 1, 4), (12, 2, 4), (6, 2, 2), (5, 1, 1)])
def test_pack(size, narrow, wide, rng):
    stimulus = given(rng, 200, narrow)
    unit = PackUnit(8, size=size, narrow=narrow, wide=wide)
    part = lambda sink: Pack(size=size, narrow=narrow, wide=wide, sink=sink)  # noqa: E731
    assert run(stimulus, part) == passed(simulate(unit, stimulus))


class Through:
    """A FIFO whose words leave as early as its sink allows."""

    def __init__(self, depth, sink):
        self._fifo, self._sink = Fifo(depth), sink

    def put(self, cycle):
        cycle = self._fifo.earliest(cycle)
        self._fifo.accept(cycle)
        self._fifo.leave(self._sink(self._fifo.next()))
        return cycle


@pytest.mark.parametrize("depth", [2, 3, 9, 40])
def test_fifo(depth, rng):
    stimulus = given(rng, 200, 1)
    assert run(stimulus, lambda sink: Through(depth, sink)) == passed(
        simulate(FifoUnit(width=8, depth=depth, target="generic"), stimulus)
    )
