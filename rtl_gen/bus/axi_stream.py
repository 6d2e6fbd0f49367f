"""AXI4-Stream: its signals, the packing of values into bytes, and a register slice."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


def bytes_of(width: int) -> int:
    """Whole bytes of a value of ``width`` bits."""
    return -(-width // 8)


def axi_stream_ports(prefix: str, width: int, lanes: int, *, out: bool) -> dict[str, wiring.Member]:
    """The signals of a stream of ``lanes`` values, each in :func:`bytes_of` bytes, lane 0 in the first."""
    size = bytes_of(width) * lanes
    forward, backward = (Out, In) if out else (In, Out)
    return {
        f"{prefix}_tdata": forward(8 * size),
        f"{prefix}_tkeep": forward(size),
        f"{prefix}_tlast": forward(1),
        f"{prefix}_tvalid": forward(1),
        f"{prefix}_tready": backward(1),
    }


def kept(keep: Value, lanes: int) -> tuple[Value, Value]:
    """``(kept, partial)``, a bit per lane: all of its bytes are kept; some but not all are."""
    size = len(keep) // lanes
    parts = [keep.word_select(lane, size) for lane in range(lanes)]
    return Cat(part.all() for part in parts), Cat(part.any() & ~part.all() for part in parts)


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
