# amaranth: UnusedElaboratable=no
"""The function unit: fixed point in, fixed point out, within an error bound for every input."""

from amaranth.hdl import EnableInserter, Module, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.functions.lane import FunctionLane
from qse_hw.rtl_gen.logic.stall import connect, stall_control, sticky
from qse_hw.rtl_gen.units.function import FunctionConfig


class Function(wiring.Component):
    """A function of ``lanes`` values per beat: exp2, softplus, SiLU or reciprocal square root.

    Arithmetic, per lane: :class:`qse_hw.golden.functions.unit.FunctionUnit`, exactly. A piecewise polynomial of |x|
    (softplus, SiLU: the rest is max(x, 0)), of the fraction (exp2: the integer part is a shift) or of the mantissa
    (rsqrt: the exponent is a shift), whose coefficients keep the error bound at every input.

    Latency: :attr:`latency` cycles. Throughput: one beat per cycle (initiation interval 1); stalls as a whole.

    Parameters:
        config: what to build.

    Members:
        i: stream of ``lanes`` signed integers, in steps of the input type, lane 0 in the low bits.
        o: stream of ``lanes`` signed integers, in steps of the output type.
        clear: clears ``saturated`` (an event in the same cycle is kept).
        saturated: sticky: a beat that left had an input outside the domain, which was taken as the domain's nearest
            end.

    Raises:
        InputError: if the polynomial is too wide for the target's multipliers.
    """

    def __init__(self, config: FunctionConfig) -> None:
        self.config = config
        self._lanes = [FunctionLane(config) for _ in range(config.lanes)]
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(signed(config.input.width), config.lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(signed(config.output.width), config.lanes))),
                "clear": In(1),
                "saturated": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from an accepted beat to its output."""
        return self._lanes[0].latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        advance, o_valid = stall_control(m, i_valid=self.i.valid, o_ready=self.o.ready, latency=self.latency)
        for number, lane in enumerate(self._lanes):
            m.submodules[f"lane{number}"] = EnableInserter(advance)(lane)
            m.d.comb += [lane.x.eq(self.i.payload[number]), lane.enable.eq(advance)]
        connect(m, self, advance, o_valid, (lane.y for lane in self._lanes))
        sticky(m, self, self.saturated, (lane.outside for lane in self._lanes))
        return m
