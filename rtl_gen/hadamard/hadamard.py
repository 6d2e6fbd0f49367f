# amaranth: UnusedElaboratable=no
"""The streaming Hadamard transform: vectors in, exact integers out."""

from amaranth.hdl import Cat, DomainRenamer, EnableInserter, Module, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.hadamard import core, factorize, growth
from qse_hw.rtl_gen.hadamard.butterfly import BeatButterfly, LaneButterfly, Stage
from qse_hw.rtl_gen.hadamard.matrix_stage import MatrixStage
from qse_hw.rtl_gen.logic.counter import count
from qse_hw.rtl_gen.logic.queue import Queue
from qse_hw.rtl_gen.units.hadamard import HadamardConfig


class Hadamard(wiring.Component):
    """Transforms vectors of ``size`` signed integers, ``lanes`` of them per beat, in their order at both ends.

    Arithmetic: :func:`qse_hw.golden.reference.hadamard.transform`, unnormalized and exact, by additions and
    subtractions only: outputs have ``ceil(log2 size)`` bits more than inputs. The orthonormal transform is the result
    divided by sqrt(size); the scale of the quantizer that follows takes care of that: its step, in units of this unit's
    integers, is sqrt(size) times the step for the orthonormal values.

    The transform is a chain of stages, widest distance first, so that long delays hold narrow numbers:
    :class:`BeatButterfly` and :class:`LaneButterfly` for the powers of two, :class:`MatrixStage` for the matrix of
    order 12 or 20 between them. The stages move in slots. In each slot a beat enters; between vectors slots may also be
    empty. So a complete vector comes out without further input; within a vector the unit waits for its next beat.

    A slot begins at the input and reaches each stage a cycle after the stage before, so no signal has to reach all
    stages at once. A slot begins only if the queue at the output has room for its result, so ``o.ready`` never stops
    the stages.

    Latency: :attr:`latency` cycles from a vector's first accepted beat to its first output beat, if the rest follows
    without pause and the output is not stalled. Throughput: one beat per cycle (initiation interval 1 beat, or
    ``size / lanes`` per vector), with any number of cycles between vectors.

    Parameters:
        config: what to build. ``lanes`` is a power of two that divides the 2^k of the size; outputs have at most 32
            bits; ``transpose`` multiplies by the transposed matrix, which, divided by the size, is the inverse; target
            ``ecp5`` makes long memories of that family's block RAMs, with their output registers.

    Attributes:
        beats: beats of a vector.
        slots: slots from a beat's entry until the output beat of the same number is ready for the queue.
        hops: cycles that a slot takes from the input to the queue.
        places: places of the queue.

    Members:
        i: stream of ``lanes`` signed integers of ``width`` bits, lane 0 in the low bits.
        o: stream of ``lanes`` signed integers of ``output_width`` bits.
    """

    def __init__(self, config: HadamardConfig) -> None:
        self.config = config
        self.output_width = config.width + growth(config.size)
        self.beats = config.size // config.lanes
        self._stages = self._chain()
        self.hops = len(self._stages) + 1
        # a slot reaches the next stage a cycle later and finds there what this stage's registers took in the same slot
        self.slots = 1 + sum(stage.slots - 1 for stage in self._stages)
        # a place is taken from the start of its slot until its beat has left the queue and this is known at the input
        self.places = self.hops + Queue.latency + 3
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(signed(config.width), config.lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(signed(self.output_width), config.lanes))),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a vector's first accepted beat to its first output beat."""
        return self.slots + self.hops + Queue.latency

    def _chain(self) -> list[Stage]:
        order, chunk = factorize(self.config.size)
        beats = chunk // self.config.lanes
        stages: list[Stage] = []

        def add(kind: type[Stage], **parameters: object) -> None:
            width = len(stages[-1].y[0]) if stages else self.config.width
            stages.append(kind(lanes=self.config.lanes, width=width, **parameters))  # type: ignore[arg-type]

        halves = order == 40  # order 40 is order 20 doubled by Sylvester's construction
        if halves:
            order = 20
            add(BeatButterfly, distance=order * beats, target=self.config.target)
        if order > 1:
            matrix = core(order).T if self.config.transpose else core(order)
            add(MatrixStage, matrix=matrix, beats=beats, halves=halves, target=self.config.target)
        for bit in reversed(range(beats.bit_length() - 1)):
            add(BeatButterfly, distance=1 << bit, target=self.config.target)
        for bit in reversed(range(self.config.lanes.bit_length() - 1)):
            add(LaneButterfly, distance=1 << bit)
        return stages

    def elaborate(self, platform: object) -> Module:
        m = Module()
        room = Signal(init=1)
        enables = Signal(self.hops)
        slot, x, start = self._feed(m, room, enables[0])
        m.d.sync += enables.eq(Cat(slot, enables))
        coming = slot
        for enable, (number, stage) in zip(enables, enumerate(self._stages), strict=False):
            m.submodules[f"stage{number}"] = DomainRenamer({"always": "sync"})(EnableInserter(enable)(stage))
            m.d.comb += [stage.coming.eq(coming), stage.enable.eq(enable), stage.start.eq(start)]
            coming = enable
            m.d.comb += [into.eq(value) for into, value in zip(stage.x, x, strict=True)]
            x, start = stage.y, stage.y_start
        self._deliver(m, room, slot, enables, x, start)
        return m

    def _feed(self, m: Module, room: Signal, enable: Signal) -> tuple[Signal, list[Signal], Signal]:
        """Begin slots. Returns whether one begins, and the first stage's beat and start, a cycle later."""
        middle = Signal()
        inside = Signal()
        slot = Signal()
        m.d.comb += [slot.eq(room & (self.i.valid | (inside & ~middle))), self.i.ready.eq(room)]
        left = Signal(range(self.slots + 1))  # empty slots until the stages are empty
        with m.If(room & self.i.valid):
            _, last = count(m, self.beats, "entered")
            m.d.sync += [middle.eq(~last), left.eq(self.slots), inside.eq(1)]
        with m.Elif(slot):
            m.d.sync += [left.eq(left - 1), inside.eq(left != 1)]
        start = Signal()
        x = [Signal(signed(self.config.width), name=f"x{lane}", reset_less=True) for lane in range(self.config.lanes)]
        entering = Signal(self.config.lanes * self.config.width, reset_less=True)
        m.d.sync += [start.eq(self.i.valid & ~middle), entering.eq(self.i.payload)]
        with m.If(enable):
            m.d.sync += [value.eq(entering.word_select(lane, self.config.width)) for lane, value in enumerate(x)]
        return slot, x, start

    def _deliver(self, m: Module, room: Signal, slot: Signal, enables: Signal, y: list[Signal], start: Signal) -> None:
        """Queue the results, and let a slot begin only if the queue has room for it."""
        # the order 40 leaves as two vectors
        beats = self.beats // 2 if factorize(self.config.size)[0] == 40 else self.beats
        arrives = enables[-1]
        run = Signal()
        runs_next = Signal()
        put = Signal()  # arrives & run, early enough for the queue
        m.d.comb += runs_next.eq(run)
        with m.If(arrives):
            _, last = count(m, beats, "arrived", restart=start)
            m.d.comb += runs_next.eq(start | (run & ~last))
        m.d.sync += [run.eq(runs_next), put.eq(enables[-2] & runs_next)]

        m.submodules.queue = queue = Queue(width=self.config.lanes * self.output_width, depth=self.places)
        m.d.comb += [
            queue.write.eq(put),
            queue.data.eq(Cat(*y)),
            queue.ready.eq(self.o.ready),
            self.o.valid.eq(queue.valid),
            Value.cast(self.o.payload).eq(queue.payload),
        ]
        # places taken by beats or reserved for slots on their way; a slot without a result gives its place back
        taken = Signal(range(self.places + 1))
        change = Signal(signed(3))
        m.d.sync += [
            change.eq(slot - (arrives & ~put) - (self.o.valid & self.o.ready)),
            taken.eq(taken + change),
            room.eq(taken < self.places - 2),  # two more may be taken before this register is read
        ]
