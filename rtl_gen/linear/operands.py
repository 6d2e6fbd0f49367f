"""Vectors in buffers, read as often as jobs say: the operands of a matrix-vector engine."""

from typing import NamedTuple

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.linear import MAX_SIZE
from qse_hw.golden.reference.matvec import count_beats
from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.queue import Queue
from qse_hw.rtl_gen.logic.select import pick, table
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.units.matvec import MatvecConfig

WAITING = 8
"""Places of the queue behind the memory: as many as keep what follows busy."""


def beat_layout(config: MatvecConfig) -> data.StructLayout:
    """A beat of a vector: its values, the number of its buffer, whether it is the vector's last."""
    return data.StructLayout(
        {
            "values": data.ArrayLayout(signed(config.width), config.columns),
            "vector": unsigned(config.vector_bits),
            "last": unsigned(1),
        }
    )


def job_layout(config: MatvecConfig) -> data.StructLayout:
    """See :class:`qse_hw.golden.reference.matvec.Job`."""
    return data.StructLayout(
        {
            "vector": unsigned(config.vector_bits),
            "beats": unsigned(config.beats_bits),
            "rows": unsigned(MAX_SIZE.bit_length()),
            "tag": unsigned(config.tag_bits),
            "release": unsigned(1),
        }
    )


def step_layout(config: MatvecConfig) -> data.StructLayout:
    """A beat to multiply: its values; whether it ends a tile and, if so, the job; the tile's rows; the job's tag."""
    return data.StructLayout(
        {
            "values": data.ArrayLayout(signed(config.width), config.columns),
            "last": unsigned(1),
            "ends": unsigned(1),
            "rows": unsigned(config.rows.bit_length()),
            "tag": unsigned(config.tag_bits),
        }
    )


class _Job(NamedTuple):
    """The job in hand. ``beat_last``, ``tile_last``: this beat is the last of its tile, this tile of its job."""

    active: Signal
    vector: Signal
    beats: Signal
    rows: Signal
    tag: Signal
    release: Signal
    beat_last: Signal
    tile_last: Signal


class Operands(wiring.Component):
    """Buffers that are written beat by beat, and jobs that read them: the beats of one vector, once per tile.

    The buffers lie one behind the other in one memory. A buffer is complete with its vector's last beat; from then on
    it can be read, and accepts nothing until a job has released it. A job follows the one before it without a pause if
    its buffer is complete. What is read goes through a queue of :data:`WAITING` beats.

    Latency: :attr:`latency` cycles from a vector's last beat to its first step, if a job waits for it and the queue is
    empty. Throughput: a beat in and a step out per cycle.

    Parameters:
        config: of the engine.

    Members:
        i: stream of beats (:func:`beat_layout`); those of different vectors may come mixed. ``ready`` depends on
            ``valid`` and on the buffer's number.
        jobs: stream of jobs (:func:`job_layout`); beats and rows are at least 1.
        o: stream of steps (:func:`step_layout`).
        complete: a bit for each buffer.
    """

    latency = 1 + BlockRam.latency + Queue.latency

    def __init__(self, config: MatvecConfig) -> None:
        self._config = config
        sizes = [count_beats(size, config.columns) for size in config.sizes]
        self.depth = sum(sizes)
        self.bases = [sum(sizes[:n]) for n in range(len(sizes))]
        super().__init__(
            {
                "i": In(stream.Signature(beat_layout(config))),
                "jobs": In(stream.Signature(job_layout(config))),
                "o": Out(stream.Signature(step_layout(config))),
                "complete": Out(len(sizes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        m.submodules.memory = memory = BlockRam(
            width=config.columns * config.width, depth=self.depth, target=config.target
        )
        filled = self._write(m, memory)
        issue = Signal()
        job, ends = self._sequence(m, memory, issue)
        released = Signal(len(self.complete))
        m.d.comb += released.eq(Mux(ends & job.release, self._one_hot(job.vector), 0))
        m.d.sync += self.complete.eq((self.complete | filled) & ~released)
        self._read(m, memory, issue, job)
        return m

    def _one_hot(self, vector: Value) -> Value:
        return Cat(vector == n for n in range(len(self.bases)))

    def _write(self, m: Module, memory: BlockRam) -> Signal:
        """Store beats, each buffer's at a place of its own. Returns which vector is now complete."""
        beat, i = self.i.payload, self.i
        chosen = Signal(len(self.bases))
        accepted = Signal()
        filled = Signal(len(self.bases))
        places = [Signal(range(self.depth), init=base, name=f"write_place{n}") for n, base in enumerate(self.bases)]
        m.d.comb += [
            chosen.eq(self._one_hot(beat["vector"])),
            i.ready.eq(i.valid & ~(self.complete & chosen).any()),
            accepted.eq(i.ready),
            filled.eq(Mux(accepted & beat["last"], chosen, 0)),
            memory.write.eq(accepted),
            memory.write_place.eq(pick(beat["vector"], places)),
            memory.data.eq(beat["values"].as_value()),
        ]
        for n, (base, own) in enumerate(zip(self.bases, places, strict=True)):
            with m.If(accepted & chosen[n]):
                m.d.sync += own.eq(Mux(beat["last"], base, own + 1))
        return filled

    def _sequence(self, m: Module, memory: BlockRam, issue: Signal) -> tuple[_Job, Signal]:
        """Go through the tiles of each job, and through the vector's beats for each. Returns the job, and whether it
        ends."""
        config, offered = self._config, self.jobs.payload
        active = Signal()
        release = Signal(reset_less=True)
        beat_last = Signal(reset_less=True)
        tile_last = Signal(reset_less=True)
        job = _Job(
            active=active,
            vector=Signal(config.vector_bits, name="vector", reset_less=True),
            beats=Signal(config.beats_bits, name="beats", reset_less=True),
            rows=Signal(MAX_SIZE.bit_length(), name="rows", reset_less=True),
            tag=Signal(config.tag_bits, name="tag", reset_less=True),
            release=release,
            beat_last=beat_last,
            tile_last=tile_last,
        )
        left = Signal(config.beats_bits, reset_less=True)  # beats of the tile after this one
        place = Signal(range(self.depth), reset_less=True)
        ends = Signal()
        accepted = Signal()
        m.d.comb += [
            ends.eq(issue & beat_last & tile_last),
            self.jobs.ready.eq(~active | ends),
            accepted.eq(self.jobs.valid & self.jobs.ready),
            memory.place.eq(place),
        ]
        m.d.sync += active.eq(accepted | (active & ~ends))
        with m.If(accepted):
            m.d.sync += [
                Cat(job.vector, job.beats, job.rows, job.tag, release).eq(offered.as_value()),
                left.eq(offered["beats"] - 1),
                beat_last.eq(offered["beats"] == 1),
                tile_last.eq(offered["rows"] <= config.rows),
                place.eq(table(offered["vector"], self.bases)),
            ]
        with m.Elif(issue & beat_last):
            m.d.sync += [
                job.rows.eq(job.rows - config.rows),
                left.eq(job.beats - 1),
                beat_last.eq(job.beats == 1),
                tile_last.eq(job.rows <= 2 * config.rows),
                place.eq(table(job.vector, self.bases)),
            ]
        with m.Elif(issue):
            m.d.sync += [left.eq(left - 1), beat_last.eq(left == 1), place.eq(place + 1)]
        return job, ends

    def _read(self, m: Module, memory: BlockRam, issue: Signal, job: _Job) -> None:
        """Read while the queue has room."""
        config, stages = self._config, Stages(m, ())
        held = Signal(range(WAITING + 1))  # in the queue, or on the way to it
        room = Signal()  # for two beats, a cycle ago
        written = Signal(BlockRam.latency)
        flags = Cat(
            job.beat_last,
            job.tile_last,
            Mux(job.tile_last, job.rows[: config.rows.bit_length()], config.rows),
            job.tag,
        )
        m.submodules.queue = queue = Queue(width=len(memory.word) + len(flags), depth=WAITING)
        taken = queue.valid & queue.ready
        m.d.sync += [
            held.eq(held + issue - taken),
            room.eq(held <= WAITING - 2),
            written.eq(Cat(issue, written)),
        ]
        m.d.comb += [
            issue.eq(room & job.active & (self.complete & self._one_hot(job.vector)).any()),
            queue.write.eq(written[-1]),
            queue.data.eq(Cat(memory.word, stages.delay(flags, BlockRam.latency, "flags"))),
            queue.ready.eq(self.o.ready),
            self.o.valid.eq(queue.valid),
            Value.cast(self.o.payload).eq(queue.payload),
        ]
