"""The residual unit: the residual stream of a token in memory, and what is added to it."""

from amaranth.hdl import Cat, EnableInserter, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.counter import count
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.logic.stall import connect, stall_control, sticky
from qse_hw.rtl_gen.units.residual import ResidualConfig

READ_DELAY = 1 + BlockRam.latency
"""Cycles from an accepted beat until the old values are read."""


class Residual(wiring.Component):
    """Adds vectors of ``size`` integers, ``lanes`` of them per beat, to those in memory, which the sums replace.

    Arithmetic: :func:`qse_hw.golden.reference.residual.add_scalar`, exactly. Of a vector that is loaded, old values
    count as 0: the first of a token, from the embedding. The sums also leave, for the norm that comes next.

    A word is read :data:`READ_DELAY` cycles after its beat is accepted and written with the beat's output. A vector has
    as many beats as the unit has stages, at least, so it is written before the next one reads it.

    Latency: :attr:`latency` cycles. Throughput: one beat per cycle (initiation interval 1); stalls as a whole.

    Parameters:
        config: what to build.
        sliced: ``o`` leads into a register slice (:func:`qse_hw.rtl_gen.logic.stall.stall_control`).

    Attributes:
        beats: of a vector.

    Members:
        i: stream of ``lanes`` signed integers, lane 0 in the low bits, above them ``load``: the values replace the old
            ones; ``size / lanes`` beats per vector.
        o: stream of ``lanes`` sums.
        clear: clears ``saturated`` (an event in the same cycle is kept).
        saturated: sticky: a beat that left contained a clamped sum.
    """

    latency = READ_DELAY + 2

    def __init__(self, config: ResidualConfig, *, sliced: bool = False) -> None:
        self.config = config
        self._sliced = sliced
        self.beats = config.size // config.lanes
        values = data.ArrayLayout(signed(config.width), config.lanes)
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout({"values": values, "load": unsigned(1)}))),
                "o": Out(stream.Signature(values)),
                "clear": In(1),
                "saturated": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        advance, o_valid = stall_control(
            m, i_valid=self.i.valid, o_ready=self.o.ready, latency=self.latency, sliced=self._sliced
        )
        core = Module()
        m.submodules.core = EnableInserter(advance)(core)
        sums, saturated = self._core(core, advance, o_valid)
        connect(m, self, advance, o_valid, sums)
        sticky(m, self, self.saturated, saturated)
        return m

    def _core(self, m: Module, advance: Signal, o_valid: Value) -> tuple[list[Value], list[Value]]:
        """From the input stream to sums and whether each was clamped. All of it moves while ``advance`` is high."""
        config, stages = self.config, Stages(m, ())
        width = config.width
        with m.If(self.i.valid):
            position, _ = count(m, self.beats, "position")
        place = stages.register(position, "place")
        values = stages.delay(self.i.payload["values"].as_value(), READ_DELAY, "values")
        load = stages.delay(self.i.payload["load"], READ_DELAY, "load")
        m.submodules.memory = memory = BlockRam(
            width=config.lanes * width, depth=self.beats, target=config.target
        )
        sums, clamped = [], []
        for lane in range(config.lanes):
            old = Mux(load, 0, memory.word.word_select(lane, width)).as_signed()
            total = stages.register(old + values.word_select(lane, width).as_signed(), f"total{lane}")
            beyond, sign = total[-1] ^ total[-2], total[-1]
            end = Cat((~sign).replicate(width - 1), sign)
            sums.append(stages.register(Mux(beyond, end, total[:width]), f"sum{lane}"))
            clamped.append(stages.register(beyond, f"clamped{lane}"))
        m.d.comb += [
            memory.enable.eq(advance),
            memory.place.eq(place),
            memory.write.eq(o_valid),
            memory.write_place.eq(stages.delay(place, self.latency - 1, "write_place")),
            memory.data.eq(Cat(sums)),
        ]
        return sums, clamped


assert Residual.latency == ResidualConfig.LEAST_BEATS
