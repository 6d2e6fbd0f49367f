"""The linear unit: codes times int8 weights, accumulated in int32, requantized to int8."""

from typing import NamedTuple

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.linear import MAX_WEIGHT, SCALE_K_BITS, SCALE_M_BITS, axis_values, max_bias
from qse_hw.rtl_gen.lane.multiplier import multiplier_latency
from qse_hw.rtl_gen.linear.mantissa import Mantissa, split
from qse_hw.rtl_gen.linear.multiply_accumulate import Row, sum_latency
from qse_hw.rtl_gen.linear.requantize import ACCUMULATOR_BITS, Requantizer, requantizer_latency
from qse_hw.rtl_gen.linear.store import Store, address_bits
from qse_hw.rtl_gen.linear.tile import connect_rows, shift_out
from qse_hw.rtl_gen.logic.counter import count
from qse_hw.rtl_gen.logic.queue import Queue
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.units.linear import LinearConfig

MANTISSA_BITS = {"generic": 8, "ecp5": 17}
"""Bits of a mantissa's magnitude up to which segments share a shift; 17 fill an ECP5 multiplier's operand, so that few
segments need a shift."""


class _Step(NamedTuple):
    """An issued step: the address of its weights (``place``); ``more``: the tile goes on; ``last``: it ends here."""

    place: Signal
    more: Signal
    last: Signal


class Linear(wiring.Component):
    """Multiplies vectors of codes by a matrix, ``rows`` x ``columns`` products per cycle.

    Arithmetic: ``y[n] = clamp(round((sum(W[n, i] * (value(c[i]) + Z)) + b[n]) * M / 2**k), -128, 127)``, half to even,
    Z the format's zero point: exactly :func:`qse_hw.golden.reference.linear.linear_scalar`. With biases of at most
    :attr:`max_bias` the sum stays within int32 for all codes and weights.

    A vector is loaded into one of two buffers while the one in the other is multiplied, once for every ``rows`` rows.
    Products, sums and requantized results move on in every cycle: a tile begins only when the queue behind them has
    room for its results. So a stalled output stops the unit between tiles.

    Latency: :attr:`latency` cycles from a vector's last beat to its first results, if no other vector is in the unit.
    Throughput: a vector per ``tiling.cycles`` cycles.

    Parameters:
        config: what to build. Codes that the format does not assign count as 0. For the matrix and its tile see
            :class:`qse_hw.golden.reference.linear.Tiling`, for the target
            :class:`qse_hw.rtl_gen.lane.multiplier.Multiplier`.

    Members:
        i: stream of ``columns`` codes, ``tiling.beats`` beats per vector; codes beyond ``inputs`` do not matter.
        o: stream of ``tiling.lanes`` int8 results, ``outputs / tiling.lanes`` beats per vector.
        weights: stream of words, ``columns`` weights and an address
            (:func:`qse_hw.golden.reference.linear.pack_weights`); ready while the unit is idle: it holds no beat,
            vector or result. The memory is 0 at first; a reset does not clear it.
        biases: stream of words, a bias and an address (:func:`qse_hw.golden.reference.linear.pack_biases`); ready and
            initialized as ``weights``.
        scale_m, scale_k: M, and k from 0 to 63; sampled while the unit is idle, held from its first beat on.
        clear: clears ``saturated`` (an event in the same cycle is kept).
        saturated: sticky: a beat that left contained a clamped result.
    """

    def __init__(self, config: LinearConfig) -> None:
        self.config = config
        self.tiling = tiling = config.tiling
        self.max_bias = max_bias(config.format, tiling)
        self._split = split(config.format, MANTISSA_BITS[config.target])
        self.memories = {  # banks, depth, width
            "weights": (tiling.rows, tiling.cycles, 8 * tiling.columns),
            "biases": (tiling.lanes, tiling.outputs // tiling.lanes, ACCUMULATOR_BITS),
        }
        words = {
            name: data.StructLayout({"address": unsigned(address_bits(banks, depth)), "data": unsigned(width)})
            for name, (banks, depth, width) in self.memories.items()
        }
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(unsigned(config.format.bits), tiling.columns))),
                "o": Out(stream.Signature(data.ArrayLayout(signed(8), tiling.lanes))),
                "weights": In(stream.Signature(words["weights"])),
                "biases": In(stream.Signature(words["biases"])),
                "scale_m": In(SCALE_M_BITS),
                "scale_k": In(SCALE_K_BITS),
                "clear": In(1),
                "saturated": Out(1),
            }
        )

    @property
    def _sum_delay(self) -> int:
        """Cycles from the issue of a beat to the sum of its products."""
        return Store.latency + self._split.latency + sum_latency(self.tiling.columns, self._split, self.config.target)

    @property
    def result_delay(self) -> int:
        """Cycles from the issue of a tile's last beat until its first results can leave."""
        # total, kept totals; bias memory, sum with bias; requantized; queue
        return self._sum_delay + 2 + Store.latency + 1 + requantizer_latency(self.config.target) + Queue.latency

    @property
    def latency(self) -> int:
        """Cycles from a vector's last beat to its first results."""
        return self.tiling.beats + self.result_delay

    @property
    def queue_depth(self) -> int:
        """Places of the output queue, in beats: enough that no tile waits unless the output stalls."""
        per_tile = self.tiling.rows // self.tiling.lanes
        # A tile's room is free two cycles after its last results have left. One tile more, since a tile begun in the
        # last cycle is not counted yet, and one for the tile that is to begin.
        unfinished = -(-(self.result_delay + per_tile + 2) // self.tiling.beats)
        return per_tile * (unfinished + 2)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        idle = Signal(init=1)
        codes, step = self._sequence(m, idle)
        done, totals = self._multiply(m, codes, step, self._loadable(m, "weights", idle))
        self._finish(m, done, totals, self._loadable(m, "biases", idle), idle)
        return m

    def _loadable(self, m: Module, name: str, idle: Signal) -> Store:
        """The memory that the stream ``name`` writes."""
        port = getattr(self, name)
        banks, depth, width = self.memories[name]
        m.submodules[name] = store = Store(banks=banks, depth=depth, width=width, target=self.config.target)
        m.d.comb += [
            port.ready.eq(idle),
            store.write.eq(port.valid & idle),
            store.address.eq(port.payload.address),
            store.data.eq(port.payload.data),
        ]
        return store

    def _sequence(self, m: Module, idle: Signal) -> tuple[Store, _Step]:
        """Fill the buffers of codes, issue steps, reserve room in the queue."""
        tiling, i = self.tiling, self.i
        per_tile = tiling.rows // tiling.lanes
        vectors = Signal(range(3))
        reserved = Signal(range(self.queue_depth + 1))
        room = Signal()  # one cycle late
        left = Signal()  # one cycle late
        accepted = Signal()
        filled = Signal()
        issue = Signal()
        emptied = Signal()
        begins = Signal()
        fill_buffer = Signal()
        first = Signal(init=1)
        step_buffer = Signal()
        more = Signal()
        last = Signal()
        with m.If(accepted):
            fill, fill_last = count(m, tiling.beats, "fill")
        with m.If(filled):
            m.d.sync += fill_buffer.eq(~fill_buffer)
        with m.If(issue):
            beat, beat_last = count(m, tiling.beats, "beat")
            place, place_last = count(m, tiling.cycles, "place")
            m.d.sync += first.eq(beat_last)
        with m.If(emptied):
            m.d.sync += step_buffer.eq(~step_buffer)
        m.d.comb += [
            i.ready.eq(~vectors[1]),
            accepted.eq(i.valid & i.ready),
            filled.eq(accepted & fill_last),
            issue.eq(~first | (vectors.any() & room)),
            begins.eq(issue & first),
            emptied.eq(issue & place_last),
            more.eq(issue & ~beat_last),
            last.eq(issue & beat_last),
        ]
        m.d.sync += [
            vectors.eq(vectors + filled - emptied),
            left.eq(self.o.valid & self.o.ready),
            reserved.eq(reserved + Mux(begins, per_tile, 0) - left),
            room.eq(reserved <= self.queue_depth - 2 * per_tile),
            idle.eq((vectors == 0) & (reserved == 0) & (fill == 0) & ~accepted),
        ]

        depth = 2 << (tiling.beats - 1).bit_length()
        width = self.config.format.bits * tiling.columns
        m.submodules.codes = codes = Store(banks=1, depth=depth, width=width, target=self.config.target)
        m.d.comb += [
            codes.write.eq(accepted),
            codes.address.eq(Cat(fill, fill_buffer)),
            codes.data.eq(i.payload),
            codes.place.eq(Cat(beat, step_buffer)),
        ]
        return codes, _Step(place, more, last)

    def _multiply(self, m: Module, codes: Store, step: _Step, weights: Store) -> tuple[Signal, list[Signal]]:
        """From issued steps to ``(done, totals)``: the rows' totals, and whether they cover a whole tile."""
        tiling, stages = self.tiling, Stages(m, ())
        # delayed so that weights meet mantissas
        m.d.comb += weights.place.eq(stages.delay(step.place, self._split.latency, "place"))
        mantissas = [Mantissa(format=self.config.format, split=self._split) for _ in range(tiling.columns)]
        above = []
        for n, mantissa in enumerate(mantissas):
            m.submodules[f"mantissa{n}"] = mantissa
            m.d.comb += mantissa.code.eq(codes.words[0].word_select(n, self.config.format.bits))
            product_delay = multiplier_latency(self._split.width, self.config.target)
            above.append(stages.delay(mantissa.above, product_delay, f"above{n}_"))
        more = stages.delay(step.more, self._sum_delay, "more")
        last = Signal(self._sum_delay + 1)
        m.d.sync += last.eq(Cat(step.last, last))
        peak = int(np.abs(axis_values(self.config.format)).max())
        limit = tiling.beats * tiling.columns * peak * MAX_WEIGHT
        rows = [
            Row(columns=tiling.columns, split=self._split, peak=peak, limit=limit, target=self.config.target)
            for _ in weights.words
        ]
        values = [mantissa.mantissa for mantissa in mantissas]
        connect_rows(m, rows, values=values, above=above, weights=weights.words, more=more)
        done = Signal()
        m.d.comb += done.eq(last[-1])
        return done, [row.total for row in rows]

    def _finish(self, m: Module, done: Signal, totals: list[Signal], biases: Store, idle: Signal) -> None:
        """From the rows' totals to the output stream, one beat per cycle."""
        tiling, stages = self.tiling, Stages(m, ())
        lanes = tiling.lanes
        scale_m = Signal(SCALE_M_BITS, reset_less=True)
        scale_k = Signal(SCALE_K_BITS, reset_less=True)
        kept, waiting = shift_out(m, done=done, totals=totals, lanes=lanes)
        with m.If(waiting[0]):
            place, _ = count(m, tiling.outputs // lanes, "bias_place")
        m.d.comb += biases.place.eq(place)
        with m.If(idle):
            m.d.sync += [scale_m.eq(self.scale_m), scale_k.eq(self.scale_k)]

        requantizers = [Requantizer(target=self.config.target) for _ in range(lanes)]
        for n, requantizer in enumerate(requantizers):
            m.submodules[f"requantiser{n}"] = requantizer
            total = stages.delay(kept[n], Store.latency, f"total{n}_")
            biased = Signal(signed(32), name=f"biased{n}", reset_less=True)
            m.d.sync += biased.eq(total + biases.words[n].as_signed())
            m.d.comb += [
                requantizer.a.eq(biased), requantizer.scale_m.eq(scale_m), requantizer.scale_k.eq(scale_k)
            ]  # fmt: skip
        written = Signal(Store.latency + 1 + requantizer_latency(self.config.target))
        m.d.sync += written.eq(Cat(waiting[0], written))

        m.submodules.queue = queue = Queue(width=8 * lanes + 1, depth=self.queue_depth)
        saturated = Cat(requantizer.saturated for requantizer in requantizers).any()
        m.d.comb += [
            queue.write.eq(written[-1]),
            queue.data.eq(Cat(*(requantizer.value for requantizer in requantizers), saturated)),
            queue.ready.eq(self.o.ready),
            self.o.valid.eq(queue.valid),
            Value.cast(self.o.payload).eq(queue.payload[:-1]),
        ]
        left = self.o.valid & self.o.ready & queue.payload[-1]
        m.d.sync += self.saturated.eq(left | (self.saturated & ~self.clear))
