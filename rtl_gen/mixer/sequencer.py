"""The engine's jobs in the order of a schedule."""

from collections.abc import Sequence
from typing import NamedTuple

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import Out

from qse_hw.golden.reference.product_schedule import OPERANDS, SOURCES, Group, Shape
from qse_hw.rtl_gen.mixer.results import TAGS


class Entry(NamedTuple):
    """A job, and how far to go back after it, how often."""

    vector: int
    beats: int
    rows: int
    tag: int
    release: int
    back: int
    times: int


def program(shape: Shape, groups: Sequence[Group]) -> list[Entry]:
    """The groups' jobs, without repetitions."""
    entries = []
    for group in groups:
        for number, job in enumerate(group.jobs):
            last = number + 1 == len(group.jobs)
            operand = SOURCES[job.result]
            entries.append(
                Entry(
                    vector=OPERANDS.index(operand), beats=shape.beats(operand), rows=job.rows, tag=TAGS[job.result],
                    release=job.release, back=number if last and group.times > 1 else 0,
                    times=group.times - 1 if last else 0,
                )
            )  # fmt: skip
    return entries


def job_layout(shape: Shape) -> data.StructLayout:
    """An engine's job."""
    return data.StructLayout(
        {
            "vector": range(len(OPERANDS)),
            "beats": range(max(map(shape.beats, OPERANDS)) + 1),
            "rows": range(max(map(shape.outputs, TAGS)) + 1),
            "tag": range(len(TAGS)),
            "release": unsigned(1),
        }
    )


class Sequencer(wiring.Component):
    """Gives the jobs of all layers, then those of the head, token after token.

    Latency: none, the first job is there after a reset. Throughput: a job every second cycle.

    Parameters:
        shape: of layers and engine.
        layer, head: schedules; ``head`` may be empty.
        layers: number of layers.

    Members:
        o: stream of jobs.
    """

    def __init__(self, shape: Shape, *, layer: Sequence[Group], head: Sequence[Group], layers: int) -> None:
        self._layer, self._head, self._layers = program(shape, layer), program(shape, head), layers
        super().__init__({"o": Out(stream.Signature(job_layout(shape)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        entries = [*self._layer, *self._head]
        entry = Signal(range(len(entries)))
        repeated = Signal(range(max(each.times for each in entries) + 1))
        layer = Signal(range(self._layers))
        accepted = Signal()
        times = _field(entries, "times", entry)
        back = _field(entries, "back", entry)
        following = Signal.like(entry)
        again = Signal()
        m.d.comb += [again.eq(repeated != times), following.eq(entry + 1)]
        with m.If((times != 0) & again):
            m.d.comb += following.eq(entry - back)
        with m.Elif(entry == len(self._layer) - 1):
            with m.If(layer != self._layers - 1):
                m.d.comb += following.eq(0)
            with m.Elif(entry == len(entries) - 1):
                m.d.comb += following.eq(0)
        with m.Elif(entry == len(entries) - 1):
            m.d.comb += following.eq(0)
        m.d.comb += accepted.eq(self.o.valid & self.o.ready)
        names = [name for name, _ in self.o.payload.shape()]
        with m.If(~self.o.valid):
            m.d.sync += [self.o.payload[name].eq(_field(entries, name, entry)) for name in names]
        m.d.sync += self.o.valid.eq(~accepted)
        with m.If(accepted):
            m.d.sync += entry.eq(following)
            with m.If(times != 0):
                m.d.sync += repeated.eq(Mux(again, repeated + 1, 0))
            with m.If(entry == len(self._layer) - 1):
                m.d.sync += layer.eq(Mux(layer == self._layers - 1, 0, layer + 1))
        return m


def _field(entries: Sequence[Entry], name: str, entry: Signal) -> Value:
    values = [getattr(each, name) for each in entries]
    bits = max(values).bit_length() or 1
    return Array(Const(value, bits) for value in values)[entry]
