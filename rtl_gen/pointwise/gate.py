# amaranth: UnusedElaboratable=no
"""The gate unit: values and gates in, values times SiLU of their gates out."""

from amaranth.hdl import EnableInserter, Module, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.gate import BITS, SHIFT_BITS
from qse_hw.rtl_gen.functions.lane import FunctionLane
from qse_hw.rtl_gen.lane.multiplier import Multiplier, multiplier_latency
from qse_hw.rtl_gen.linear.rounding_shift import SHIFT_LATENCY, RoundingShift
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.logic.stall import connect, stall_control, sticky
from qse_hw.rtl_gen.logic.stream_queue import StreamQueue
from qse_hw.rtl_gen.units.gate import GateConfig

WAITING = 8
"""Beats of gates that wait for their values, at most."""


class Gate(wiring.Component):
    """Multiplies ``lanes`` values per beat by SiLU of their gates.

    Arithmetic, per lane: exactly :func:`qse_hw.golden.reference.gate.gate_scalar`; SiLU is a lane of a function unit.

    Gates have a stream of their own, and a small queue: a beat of values waits for its beat of gates, and is accepted
    with it.

    Latency: :attr:`latency` cycles from an accepted beat to its output. Throughput: one beat per cycle (initiation
    interval 1); all but the queue stalls as a whole.

    Parameters:
        config: what to build.
        sliced: ``o`` leads into a register slice (:func:`qse_hw.rtl_gen.logic.stall.stall_control`).

    Members:
        i: stream of ``lanes`` signed 16-bit values, lane 0 in the low bits.
        gate: stream of ``lanes`` signed gates, in steps of the input type.
        o: stream of ``lanes`` signed 16-bit results.
        shift: how far products are shifted right, 0 to 63; sampled with each accepted beat of values.
        clear: clears ``saturated`` (an event in the same cycle is kept).
        saturated: sticky: a beat that left contained a clamped result.
    """

    def __init__(self, config: GateConfig, *, sliced: bool = False) -> None:
        self.config = config
        self._sliced = sliced
        self._functions = [FunctionLane(config.silu) for _ in range(config.lanes)]
        values = data.ArrayLayout(signed(BITS), config.lanes)
        super().__init__(
            {
                "i": In(stream.Signature(values)),
                "gate": In(stream.Signature(data.ArrayLayout(signed(config.input.width), config.lanes))),
                "o": Out(stream.Signature(values)),
                "shift": In(unsigned(SHIFT_BITS)),
                "clear": In(1),
                "saturated": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from an accepted beat to its output."""
        config = self.config
        return self._functions[0].latency + multiplier_latency(config.output.width, config.target) + SHIFT_LATENCY

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.waiting = waiting = StreamQueue(width=len(self.gate.payload.as_value()), depth=WAITING)
        both = self.i.valid & waiting.o.valid
        advance, o_valid = stall_control(
            m, i_valid=both, o_ready=self.o.ready, latency=self.latency, sliced=self._sliced
        )
        core = Module()
        m.submodules.core = EnableInserter(advance)(core)
        lanes = self._core(core, advance, waiting.o.payload)
        connect(m, self, advance & waiting.o.valid, o_valid, (lane.value for lane in lanes))
        sticky(m, self, self.saturated, (lane.saturated for lane in lanes))
        m.d.comb += [
            waiting.i.valid.eq(self.gate.valid),
            waiting.i.payload.eq(self.gate.payload.as_value()),
            self.gate.ready.eq(waiting.i.ready),
            waiting.o.ready.eq(advance & self.i.valid),
        ]
        return m

    def _core(self, m: Module, advance: Value, gates: Value) -> list[RoundingShift]:
        """From values and gates to the results. All of it moves while ``advance`` is high."""
        config, stages = self.config, Stages(m, ())
        delay = self._functions[0].latency
        values = stages.delay(self.i.payload.as_value(), delay, "values")
        product_delay = multiplier_latency(config.output.width, config.target)
        shift = stages.delay(self.shift, delay + product_delay, "shift")
        lanes = []
        for number, function in enumerate(self._functions):
            product = Multiplier(signed(config.output.width), signed(BITS), target=config.target)
            lane = RoundingShift(width=config.output.width + BITS, bits=BITS)
            m.submodules[f"silu{number}"], m.submodules[f"product{number}"] = function, product
            m.submodules[f"shift{number}"] = lane
            m.d.comb += [
                function.x.eq(gates.word_select(number, config.input.width)),
                function.enable.eq(advance),
                product.a.eq(function.y),
                product.b.eq(values.word_select(number, BITS)),
                product.enable.eq(advance),
                lane.a.eq(product.p),
                lane.k.eq(shift),
            ]
            lanes.append(lane)
        return lanes
