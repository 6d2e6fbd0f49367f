"""One stream of parameters for all units of a mixer."""

from collections.abc import Mapping

from amaranth.hdl import Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

UNIT_BITS = 3


def bus_layout(units: Mapping[str, int]) -> data.StructLayout:
    """A word: the unit that it is for, by its number in ``units``, and the unit's own word, of so many bits."""
    return data.StructLayout({"unit": unsigned(UNIT_BITS), "word": unsigned(max(units.values()))})


class ParameterBus(wiring.Component):
    """Passes words on to the units that they are for. Words for no unit are dropped.

    Latency: none. Throughput: a word per cycle.

    Parameters:
        units: bits of each unit's words, by name, in the order of their numbers.

    Members:
        i: stream of :func:`bus_layout`.
        the units' names: streams of words.
    """

    def __init__(self, units: Mapping[str, int]) -> None:
        self._units = list(units)
        streams = {name: Out(stream.Signature(unsigned(bits))) for name, bits in units.items()}
        super().__init__({"i": In(stream.Signature(bus_layout(units))), **streams})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ready: Value = Signal(1, init=1, name="dropped")
        for number, name in enumerate(self._units):
            port, chosen = getattr(self, name), Signal(name=f"is_{name}")
            m.d.comb += [
                chosen.eq(self.i.payload.unit == number),
                port.valid.eq(self.i.valid & chosen),
                port.payload.eq(self.i.payload.word),
            ]
            ready = Mux(chosen, port.ready, ready)
        m.d.comb += self.i.ready.eq(ready)
        return m
