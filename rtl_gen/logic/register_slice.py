"""Registers between two streams, in both directions."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class RegisterSlice(wiring.Component):
    """A buffer of two beats without combinational paths between its sides.

    Latency: 1 cycle. Throughput: one beat per cycle.

    Members:
        i, o: streams of ``shape``.
    """

    latency = 1

    def __init__(self, shape: Any) -> None:
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        i, o = (Value.cast(port.payload) for port in (self.i, self.o))
        spare = Signal(len(i), reset_less=True)
        full = Signal()
        register = Signal(len(o), reset_less=True)
        m.d.comb += [self.i.ready.eq(~full), o.eq(register)]
        with m.If(~full):
            m.d.sync += spare.eq(i)
        with m.If(self.o.ready | ~self.o.valid):
            m.d.sync += [register.eq(Mux(full, spare, i)), self.o.valid.eq(full | self.i.valid), full.eq(0)]
        with m.Elif(self.i.valid):
            m.d.sync += full.eq(1)
        return m


def sliced(m: Module, source: Any, name: str) -> Any:
    """The stream ``source`` behind a register slice, which is the submodule ``name`` of ``m``."""
    m.submodules[name] = part = RegisterSlice(source.payload.shape())
    m.d.comb += [
        part.i.valid.eq(source.valid),
        Value.cast(part.i.payload).eq(Value.cast(source.payload)),
        source.ready.eq(part.i.ready),
    ]
    return part.o
