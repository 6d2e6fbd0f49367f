# amaranth: UnusedElaboratable=no
"""The time step unit: a stream of dt in, softplus of dt and a bias out."""

from amaranth.hdl import EnableInserter, Module, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.time_step import PLACES_BITS, word_bits
from qse_hw.rtl_gen.functions.lane import FunctionLane
from qse_hw.rtl_gen.linear.store import address_bits, idle_signal, loadable_store
from qse_hw.rtl_gen.logic.block_ram import BlockRam
from qse_hw.rtl_gen.logic.counter import count
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.logic.stall import connect, stall_control, sticky
from qse_hw.rtl_gen.pointwise.saturating_sum import SUM_LATENCY, SaturatingSum
from qse_hw.rtl_gen.units.time_step import TimeStepConfig

READ_DELAY = 1 + BlockRam.latency
"""Cycles from an accepted beat until its channels' parameters are read."""


class TimeStep(wiring.Component):
    """Time steps of ``channels`` channels, ``lanes`` of them per beat, in order.

    Arithmetic, per channel: ``softplus(clamp((dt << places) + bias))``, exactly
    :func:`qse_hw.golden.reference.time_step.time_steps`; softplus is a lane of a function unit. For several layers in
    turn, ``channels`` is the sum over the layers.

    Latency: :attr:`latency` cycles. Throughput: one beat per cycle (initiation interval 1); stalls as a whole.

    Parameters:
        config: what to build.
        sliced: ``o`` leads into a register slice (:func:`qse_hw.rtl_gen.logic.stall.stall_control`).

    Members:
        i: stream of ``lanes`` signed integers, lane 0 in the low bits; ``channels / lanes`` beats until it begins again
            with channel 0.
        o: stream of ``lanes`` signed time steps, in steps of the output type; none is negative.
        parameters: stream of words, a channel's parameters and an address
            (:func:`qse_hw.golden.reference.time_step.pack_parameters`); ready while no beat is in the unit. The memory
            is 0 at first; a reset does not clear it.
        clear: clears ``saturated`` (an event in the same cycle is kept).
        saturated: sticky: a beat that left had a sum that was clamped or beyond softplus's domain.
    """

    def __init__(self, config: TimeStepConfig, *, sliced: bool = False) -> None:
        self.config = config
        self._sliced = sliced
        self.beats = config.channels // config.lanes
        self._functions = [FunctionLane(config.softplus) for _ in range(config.lanes)]
        width = config.input.width
        word = {"address": unsigned(address_bits(config.lanes, self.beats)), "data": unsigned(word_bits(width))}
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(signed(width), config.lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(signed(config.output.width), config.lanes))),
                "parameters": In(stream.Signature(data.StructLayout(word))),
                "clear": In(1),
                "saturated": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from an accepted beat to its output."""
        return READ_DELAY + SUM_LATENCY + self._functions[0].latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        advance, o_valid = stall_control(
            m, i_valid=self.i.valid, o_ready=self.o.ready, latency=self.latency, sliced=self._sliced
        )
        core = Module()
        m.submodules.core = EnableInserter(advance)(core)
        idle = idle_signal(m, accepted=self.i.valid & advance, left=o_valid & self.o.ready, latency=self.latency)
        saturated = self._core(core, advance, idle)
        connect(m, self, advance, o_valid, (lane.y for lane in self._functions))
        sticky(m, self, self.saturated, saturated)
        return m

    def _core(self, m: Module, advance: Signal, idle: Signal) -> list[Value]:
        """From the input stream to the functions; whether a lane's sum saturated. All of it moves with ``advance``."""
        config, stages, width = self.config, Stages(m, ()), self.config.input.width
        with m.If(self.i.valid):
            position, _ = count(m, self.beats, "position")
        parameters = loadable_store(
            m, self.parameters, advance=advance, idle=idle, place=stages.register(position, "place"),
            banks=config.lanes, depth=self.beats, width=word_bits(width), target=config.target,
        )  # fmt: skip
        values = stages.delay(self.i.payload.as_value(), READ_DELAY, "values")
        saturated = []
        for lane, (word, function) in enumerate(zip(parameters.words, self._functions, strict=True)):
            m.submodules[f"sum{lane}"] = total = SaturatingSum(width=width)
            m.submodules[f"softplus{lane}"] = function
            m.d.comb += [
                total.x.eq(values.word_select(lane, width)),
                total.places.eq(word[:PLACES_BITS]),
                total.bias.eq(word[PLACES_BITS:]),
                function.x.eq(total.value),
                function.enable.eq(advance),
            ]
            clamped = stages.delay(total.saturated, function.latency, f"clamped{lane}_")
            saturated.append(clamped | function.outside)
        return saturated
