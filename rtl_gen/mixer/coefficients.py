"""B and C of a token, from the product engine's rows to the scan's beats."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic.counter import count

BITS = 16


class Coefficients(wiring.Component):
    """Collects ``states`` values of B, then as many of C, and gives them to the scan, ``lanes`` of both per beat.

    Latency: 1 cycle from the value of C that completes a beat. Throughput: a value per cycle.

    Parameters:
        states: values of B, and of C; a multiple of ``lanes``.
        lanes: of a beat.

    Members:
        i: stream of values, signed, of 16 bits.
        o: stream of ``B`` and ``C``, ``lanes`` values each, the first in the low bits.
    """

    latency = 1

    def __init__(self, *, states: int, lanes: int) -> None:
        self._states, self._lanes = states, lanes
        values = data.ArrayLayout(signed(BITS), lanes)
        super().__init__(
            {
                "i": In(stream.Signature(signed(BITS))),
                "o": Out(stream.Signature(data.StructLayout({"B": values, "C": values}))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        groups, width = self._states // self._lanes, BITS * self._lanes
        accepted = Signal()
        is_c = Signal()
        values = Signal(width - BITS, reset_less=True)  # of the beat, but for the last one
        beat = Signal(width)
        payload = Signal(2 * width, reset_less=True)
        m.submodules.memory = memory = Memory(shape=width, depth=groups, init=[], attrs={"ram_style": "distributed"})
        write = memory.write_port()
        read = memory.read_port(domain="comb")
        m.d.comb += [
            beat.eq(Cat(values, self.i.payload)),
            self.i.ready.eq(~self.o.valid | self.o.ready),
            accepted.eq(self.i.valid & self.i.ready),
            self.o.payload.as_value().eq(payload),
        ]
        with m.If(accepted):
            _, full = count(m, self._lanes, "lane")
            m.d.sync += values.eq(beat[BITS:])
        with m.If(accepted & full):
            group, last = count(m, groups, "group")
            m.d.sync += is_c.eq(is_c ^ last)
        with m.If(accepted):
            m.d.sync += payload.eq(Cat(read.data, beat))
        m.d.comb += [
            write.en.eq(accepted & full & ~is_c),
            write.addr.eq(group),
            write.data.eq(beat),
            read.addr.eq(group),
        ]
        m.d.sync += self.o.valid.eq(Mux(self.o.valid & ~self.o.ready, 1, accepted & full & is_c))
        return m
