"""The matrix-vector engine: the products of several vectors with matrices that are streamed in, job by job."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.linear import MAX_ACCUMULATOR
from qse_hw.golden.reference.matvec import K_BITS, M_BITS, SUM_BITS
from qse_hw.rtl_gen.linear.drain import Drain
from qse_hw.rtl_gen.linear.mantissa import Split
from qse_hw.rtl_gen.linear.multiply_accumulate import Row, sum_latency
from qse_hw.rtl_gen.linear.operands import Operands, beat_layout, job_layout
from qse_hw.rtl_gen.linear.tile import connect_rows, shift_out
from qse_hw.rtl_gen.logic.queue import Queue
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.logic.stream_queue import StreamQueue
from qse_hw.rtl_gen.units.matvec import SCALE_BITS, MatvecConfig

QUEUE_DEPTH = StreamQueue.least_depth
"""Beats of weights, and multipliers, that wait: as many as keep the engine busy."""
SCALE = data.StructLayout({"m": unsigned(M_BITS), "k": unsigned(K_BITS)})
"""The multiplier of a row, ``m * 2**-k``."""


def sum_layout(tag_bits: int) -> data.StructLayout:
    """A row's sum and multiplier, the tag of its job, and whether it is the job's last."""
    members = {"sum": signed(SUM_BITS), **SCALE.members, "tag": unsigned(tag_bits), "last": unsigned(1)}
    return data.StructLayout(members)


class Matvec(wiring.Component):
    """Multiplies vectors by matrices of int8 weights, ``rows`` x ``columns`` products per cycle.

    Arithmetic: :func:`qse_hw.golden.reference.matvec.multiply_scalar`, exactly, for sums within int32, whatever the
    partial sums are; others are taken modulo 2^32.

    Vectors wait in buffers (:class:`Operands`). A job multiplies one by a matrix: for every ``rows`` rows, a tile, it
    reads the vector once, a beat with every beat of weights. A beat moves on in every cycle in which operand and
    weights are there; only a tile's last one needs more: room for the tile's sums in the queue behind them, and that
    the tile before it ended at least ``rows`` cycles ago, since sums leave one per cycle. So a vector of at least
    ``rows`` beats keeps all multipliers busy, one of fewer beats takes ``rows`` cycles per tile. With ``backlog``, one
    tile's sums may wait for those of the tile before (:class:`qse_hw.rtl_gen.linear.drain.Drain`): then short vectors
    between long ones cost no cycle, either.

    Latency: :attr:`latency` cycles from the beat of weights that ends a tile to the tile's first sum, if the operand
    waits; :attr:`vector_latency` from a vector's last beat, if job and weights wait and a tile has one beat.
    Throughput: a beat of weights per cycle, without a pause between tiles and jobs.

    Parameters:
        config: what to build.

    Members:
        i: stream of beats of vectors (:func:`beat_layout`), ``columns`` signed values of ``width`` bits each.
        jobs: stream of jobs (:func:`job_layout`), done in order.
        weights: stream of ``rows`` words of ``columns`` int8 weights, the first row's in the low bits: tile by tile of
            each job, in a tile beat by beat (:func:`qse_hw.golden.reference.matvec.pack_tiles`).
        scales: stream of the rows' multipliers, in order; rows that fill up a tile have none.
        o: stream of sums (:func:`sum_layout`), a row per beat.
        complete: a bit for each buffer: it holds a vector that is not released, and accepts nothing.
    """

    def __init__(self, config: MatvecConfig) -> None:
        self.config = config
        # a value is its own mantissa
        self._split = Split(parts=(), shifts=(0,), width=config.width)
        words = data.ArrayLayout(data.ArrayLayout(signed(8), config.columns), config.rows)
        super().__init__(
            {
                "i": In(stream.Signature(beat_layout(config))),
                "jobs": In(stream.Signature(job_layout(config))),
                "weights": In(stream.Signature(words)),
                "scales": In(stream.Signature(SCALE)),
                "o": Out(stream.Signature(sum_layout(config.tag_bits))),
                "complete": Out(len(config.sizes)),
            }
        )

    @property
    def sum_delay(self) -> int:
        """Cycles from a beat's start, with its weights, to the sum of its products."""
        return sum_latency(self.config.columns, self._split, self.config.target)

    @property
    def result_delay(self) -> int:
        """Cycles from the start of a tile's last beat to its first sum: total, kept totals, queue."""
        return self.sum_delay + 2 + Queue.latency

    @property
    def latency(self) -> int:
        """Cycles from a tile's last beat of weights to its first sum."""
        return StreamQueue.latency + self.result_delay

    @property
    def vector_latency(self) -> int:
        """Cycles from a vector's last beat to the first sum of a tile that has one beat."""
        return Operands.latency + self.result_delay

    @property
    def queue_depth(self) -> int:
        """Places of the output queue, in rows: enough that no tile of ``rows`` beats waits unless the output stalls."""
        # A row leaves result_delay cycles after its tile has reserved room, and its room is free two cycles later.
        if self.config.backlog:  # up to ``rows`` cycles later; and a tile ends only if there is room for another one
            return self.result_delay + 2 + 3 * self.config.rows
        return self.result_delay + 2 + self.config.rows

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.operands = operands = Operands(self.config)
        m.submodules.waiting_weights = weights = StreamQueue(
            width=self.config.payload_bits["weights"], depth=QUEUE_DEPTH
        )
        wiring.connect(m, wiring.flipped(self.i), operands.i)
        wiring.connect(m, wiring.flipped(self.jobs), operands.jobs)
        may_end = Signal()
        start = Signal()  # of a beat
        ends_tile = Signal()
        step = operands.o.payload
        m.d.comb += [
            self.complete.eq(operands.complete),
            weights.i.valid.eq(self.weights.valid),
            weights.i.payload.eq(self.weights.payload.as_value()),
            self.weights.ready.eq(weights.i.ready),
            start.eq(operands.o.valid & weights.o.valid & (may_end | ~step["last"])),
            ends_tile.eq(start & step["last"]),
            operands.o.ready.eq(start),
            weights.o.ready.eq(start),
        ]
        done, totals = self._multiply(m, start, ends_tile, operands, weights)
        self._finish(m, ends_tile, may_end, operands, done, totals)
        return m

    def _multiply(
        self, m: Module, start: Signal, ends_tile: Signal, operands: Operands, weights: StreamQueue
    ) -> tuple[Signal, list[Signal]]:
        """``(done, totals)``: the rows' totals, and whether they cover a whole tile."""
        config, word_bits = self.config, 8 * self.config.columns
        counts = Signal(self.sum_delay)  # bit n: n + 1 cycles ago
        ends = Signal(self.sum_delay + 1)
        m.d.sync += [counts.eq(Cat(start, counts)), ends.eq(Cat(ends_tile, ends))]
        peak = 1 << (config.width - 1)
        rows = [
            Row(
                columns=config.columns, split=self._split, peak=peak, limit=MAX_ACCUMULATOR, target=config.target,
                gaps=True,
            )
            for _ in range(config.rows)
        ]  # fmt: skip
        values = [operands.o.payload["values"][n] for n in range(config.columns)]
        words = [weights.o.payload.word_select(n, word_bits) for n in range(config.rows)]
        above = [Signal(0, name=f"above{n}") for n in range(config.columns)]
        connect_rows(
            m, rows, values=values, above=above, weights=words, counts=counts[-1], more=~ends[self.sum_delay - 1]
        )
        done = Signal()
        m.d.comb += done.eq(ends[-1])
        return done, [row.total for row in rows]

    def _finish(
        self, m: Module, ends_tile: Signal, may_end: Signal, operands: Operands, done: Signal, totals: list[Signal]
    ) -> None:
        """From the rows' totals to the output stream, one per cycle, with the rows' multipliers."""
        config, stages, depth = self.config, Stages(m, ()), self.queue_depth
        step = operands.o.payload
        reserved = Signal(range(depth + 1))
        room = Signal()  # for a tile, and for the one that may have ended a cycle ago
        left = Signal()  # one cycle late
        m.d.sync += [
            left.eq(self.o.valid & self.o.ready),
            reserved.eq(reserved + Mux(ends_tile, step["rows"], 0) - left),
            room.eq(reserved <= depth - (2 * config.rows if config.backlog else max(config.rows, 2))),
        ]
        if config.backlog:
            # in unary: cycles in which sums will leave; with more than ``rows`` of them, a tile waits
            taken = Signal(2 * config.rows)
            m.d.sync += taken.eq(Mux(ends_tile, Cat(Const(-1, config.rows), taken), taken)[1:])
            m.d.comb += may_end.eq(room & ~taken[config.rows])
        else:
            busy = Signal(config.rows)  # bit 0, if set: the next tile must not end yet
            m.d.sync += busy.eq(Mux(ends_tile, (1 << config.rows - 1) - 1, busy >> 1))
            m.d.comb += may_end.eq(room & ~busy[0])

        delay = self.sum_delay + 1
        now = stages.delay(Cat(step["rows"], step["tag"], step["ends"]), delay, "tile")
        row_bits = config.rows.bit_length()
        count, tag, ends_job = now[:row_bits], now[row_bits:-1], now[-1]
        leaves, total, kept_tag, ends = self._let_out(m, done, totals, count, tag, ends_job)
        m.submodules.sums = sums = Queue(width=SUM_BITS + config.tag_bits + 1, depth=depth)
        m.submodules.waiting_scales = scales = StreamQueue(width=SCALE_BITS, depth=QUEUE_DEPTH)
        o = self.o.payload
        m.d.comb += [
            sums.write.eq(leaves),
            sums.data.eq(Cat(total, kept_tag, ends)),
            scales.i.valid.eq(self.scales.valid),
            scales.i.payload.eq(self.scales.payload.as_value()),
            self.scales.ready.eq(scales.i.ready),
            self.o.valid.eq(sums.valid & scales.o.valid),
            sums.ready.eq(self.o.ready & scales.o.valid),
            scales.o.ready.eq(self.o.ready & sums.valid),
            Cat(o["sum"], o["tag"], o["last"]).eq(sums.payload),
            Cat(o["m"], o["k"]).eq(scales.o.payload),
        ]

    def _let_out(
        self, m: Module, done: Signal, totals: list[Signal], count: Value, tag: Value, ends_job: Value
    ) -> tuple[Value, Value, Value, Value]:
        """Whether a total leaves, the total, its tag, whether it is its job's last."""
        config = self.config
        if config.backlog:
            m.submodules.drain = drain = Drain(rows=config.rows, bits=len(totals[0]), note=config.tag_bits + 1)
            m.d.comb += [into.eq(total) for into, total in zip(drain.totals, totals, strict=True)]
            m.d.comb += [drain.done.eq(done), drain.count.eq(count), drain.note.eq(Cat(tag, ends_job))]
            return drain.valid, drain.total, drain.noted[:-1], drain.noted[-1] & drain.last
        kept, waiting = shift_out(
            m, done=done, totals=totals, lanes=1, occupied=Cat(count > n for n in range(config.rows))
        )
        kept_tag = Signal(config.tag_bits, reset_less=True)
        kept_end = Signal(reset_less=True)
        with m.If(done):
            m.d.sync += [kept_tag.eq(tag), kept_end.eq(ends_job)]
        return waiting[0], kept[0], kept_tag, kept_end & ~waiting[1:].any()
