"""Amaranth's simulator as a recorder: as the recorder of Verilog, on a component whose outputs tell its inputs."""

import pytest
from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.sim.trace.amaranth_trace import simulate
from tests.sim.trace.test_trace import (
    check_driver,
    check_joined,
    check_noise,
    check_others,
    joined_stimulus,
    stimuli,
)


class Probe(wiring.Component):
    """The module that tests.sim.trace.test_trace records."""

    def __init__(self):
        super().__init__(
            {
                "i": In(stream.Signature(12)),
                "o": Out(stream.Signature(12)),
                "k": In(signed(9)),
                "wide": In(72),
                "k_less": Out(signed(9)),
                "wide_less": Out(72),
                "raw": Out(12),
                "raw_before": Out(12),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            self.i.ready.eq(self.o.ready),
            self.o.valid.eq(self.i.valid),
            self.o.payload.eq(self.i.payload),
            self.raw.eq(self.i.payload),
            self.k_less.eq(self.k - 1),
            self.wide_less.eq(self.wide - 1),
        ]
        m.d.sync += self.raw_before.eq(self.i.payload)
        return m


@pytest.mark.parametrize("number", range(3))
def test_recording(number):
    stimulus = stimuli()[number]
    got = simulate(Probe(), stimulus)
    assert {len(values) for values in got.values()} == {stimulus.cycles}
    check_driver(stimulus, got)
    assert got["raw_before"][1:].tolist() == got["raw"][:-1].tolist()
    if stimulus.cycles:
        check_noise(got)
        check_others(stimulus, got)


class Join(wiring.Component):
    """The module with two input streams that tests.sim.trace.test_trace records."""

    def __init__(self):
        super().__init__(
            {"i": In(stream.Signature(12)), "jobs": In(stream.Signature(7)), "o": Out(stream.Signature(19))}
        )

    def elaborate(self, platform):
        m = Module()
        m.d.sync += Signal().eq(self.i.valid)  # for the clock
        m.d.comb += [
            self.o.valid.eq(self.i.valid & self.jobs.valid),
            self.o.payload.eq(Cat(self.i.payload, self.jobs.payload)),
            self.i.ready.eq(self.o.ready & self.jobs.valid),
            self.jobs.ready.eq(self.o.ready & self.i.valid & self.i.payload[0]),
        ]
        return m


def test_two_input_streams(rng):
    stimulus = joined_stimulus(rng)
    check_joined(stimulus, simulate(Join(), stimulus))
