"""From narrow beats to wide ones."""

from amaranth.hdl import Cat, Module, Mux, ShapeLike, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic.counter import count


class Pack(wiring.Component):
    """Collects vectors of ``size`` values, ``narrow`` per beat, into beats of ``wide`` values.

    The last beat of a vector may be incomplete: the rest of its values do not matter.

    Latency: 1 cycle from the beat that completes a wide beat. Throughput: a narrow beat per cycle.

    Parameters:
        shape: of a value.
        size: values of a vector, a multiple of ``narrow``.
        narrow, wide: values per beat; ``wide`` is a multiple of ``narrow``.

    Members:
        i: stream of ``narrow`` values, the first in the low bits.
        o: stream of ``wide`` values; ``last``: the beat ends a vector.
    """

    latency = 1

    def __init__(self, shape: ShapeLike, *, size: int, narrow: int, wide: int) -> None:
        assert size % narrow == 0
        assert wide % narrow == 0
        self._size, self._narrow, self._wide = size, narrow, wide
        beat = data.StructLayout({"values": data.ArrayLayout(shape, wide), "last": 1})
        super().__init__(
            {"i": In(stream.Signature(data.ArrayLayout(shape, narrow))), "o": Out(stream.Signature(beat))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        accepted = Signal()
        complete = Signal()
        values = Signal(len(self.o.payload.values.as_value()), reset_less=True)
        ends = Signal(reset_less=True)
        narrow = self.i.payload.as_value()
        with m.If(accepted):
            _, last = count(m, self._size // self._narrow, "entered")
            slot, full = count(m, self._wide // self._narrow, "slot", restart=last)
            m.d.sync += [values.word_select(slot, len(narrow)).eq(narrow), ends.eq(last)]
        m.d.comb += [
            self.i.ready.eq(~self.o.valid | self.o.ready),
            accepted.eq(self.i.valid & self.i.ready),
            complete.eq(accepted & (full | last)),
            Cat(self.o.payload.values.as_value(), self.o.payload.last).eq(Cat(values, ends)),
        ]
        m.d.sync += self.o.valid.eq(Mux(self.o.valid & ~self.o.ready, 1, complete))
        return m
