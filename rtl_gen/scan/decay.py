# amaranth: UnusedElaboratable=no
"""The factor by which a state decays in a time step."""

from fractions import Fraction

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.functions.exponential import EXP2
from qse_hw.golden.reference.scan import DECAY_FRACTION, DELTA_BITS
from qse_hw.rtl_gen.functions.lane import FunctionLane
from qse_hw.rtl_gen.lane.multiplier import Multiplier, multiplier_latency
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.units.function import FunctionConfig


class Decay(wiring.Component):
    """``2**-v``, v = ``delta * A / 2**shift`` rounded half up, with 16 fraction bits; as
    :data:`qse_hw.golden.functions.exponential.EXP2` computes it, whose core is the function unit's lane.

    The lane takes -v, of 22 bits. ``-(q + h)``, where h is the bit below the quotient q, is ``~q + ~h``: nothing has to
    be negated. Quotients of more than 21 bits count as 32; from 17 on the result is 0. So it is, too, if the state is
    to be forgotten.

    The product is registered once more, because DSPs lie far from the adders.

    Latency: :attr:`latency` cycles. Throughput: one factor per cycle.

    Parameters:
        bits: of A.
        shift: less than the product's bits.
        target: see :class:`qse_hw.rtl_gen.lane.multiplier.Multiplier`.

    Members:
        delta, A: unsigned.
        forget: y is to be 0; :attr:`forget_step` cycles later.
        y: the factor, with 15 fraction bits, at most 1.
    """

    def __init__(self, *, bits: int, shift: int, target: str) -> None:
        self._shift, self._target = shift, target
        core = EXP2.core
        config = FunctionConfig(
            function="exp2", input=core.reduction.input, output=core.output, error=EXP2.ERROR, high=Fraction(0),
            target=target,
        )  # fmt: skip
        assert config.arithmetic == core
        self._lane = FunctionLane(config)
        super().__init__({"delta": In(DELTA_BITS), "A": In(bits), "forget": In(1), "y": Out(DECAY_FRACTION + 1)})

    @property
    def forget_step(self) -> int:
        """Cycles until ``forget`` is due."""
        return multiplier_latency(DELTA_BITS, self._target) + 1

    @property
    def latency(self) -> int:
        """Cycles from ``delta`` and ``A`` to ``y``."""
        return self.forget_step + 2 + self._lane.latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = Stages(m, ())
        m.submodules.product = product = Multiplier(unsigned(DELTA_BITS), self.A.shape(), target=self._target)
        m.submodules.lane = lane = self._lane
        low = len(lane.x) - 1
        kept = stages.register(product.p[max(self._shift - 1, 0) :], "kept")
        half, quotient = (kept[0], kept[1:]) if self._shift else (Const(0, 1), kept)
        negative = Signal.like(lane.x, name="negative", reset_less=True)
        m.d.sync += negative.eq(~Cat(quotient[:low], Const(0, 1)).as_signed() + ~half)
        nothing = stages.register(quotient[low:].any() | self.forget, "nothing")
        x = Signal.like(lane.x, name="x", reset_less=True)
        m.d.sync += x.eq(Mux(nothing, 1 << low, negative))
        m.d.comb += [
            product.a.eq(self.delta),
            product.b.eq(self.A),
            product.enable.eq(1),
            lane.x.eq(x),
            lane.enable.eq(1),
            self.y.eq(lane.y),
        ]
        return m
