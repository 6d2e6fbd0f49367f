# amaranth: UnusedElaboratable=no
"""The reciprocal square root of a wide integer as mantissa and shift, for RMSNorm."""

from fractions import Fraction

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.functions.root import ARGUMENT_BITS, MANTISSA_BITS
from qse_hw.golden.functions.root import ReciprocalRoot as Arithmetic
from qse_hw.rtl_gen.functions.lane import FunctionLane
from qse_hw.rtl_gen.functions.normalize import normalize, normalize_latency
from qse_hw.rtl_gen.logic.stages import Stages
from qse_hw.rtl_gen.units.function import FunctionConfig

LEVELS = 1  # steps between registers: the sums of RMSNorm are wide


class ReciprocalRoot(wiring.Component):
    """``x**-0.5`` is about ``mantissa * 2**-shift``, for integers x of 1 or more.

    Arithmetic: :class:`qse_hw.golden.functions.root.ReciprocalRoot`, exactly. Leading zeros are removed in steps, an
    even number of them; the function unit's lane makes the mantissa of the 16 highest bits.

    Latency: :attr:`latency` cycles. Throughput: one value per cycle.

    Parameters:
        arithmetic: what to compute.
        target: one of :data:`qse_hw.rtl_gen.units.shared.TARGETS`.

    Attributes:
        most_zeros: so many leading zeros are removed at most.

    Members:
        x: unsigned, of the arithmetic's ``input_bits``; outputs for 0 mean nothing.
        enable: that of the ``sync`` domain, for cells that are beyond the reach of an ``EnableInserter``.
        mantissa: 2**15 to 2**16 - 1.
        shift: see above.
    """

    def __init__(self, arithmetic: Arithmetic, *, target: str = "generic") -> None:
        core = arithmetic.core
        self._dropped = -(-(arithmetic.input_bits - ARGUMENT_BITS) // 2)  # pairs of bits below the 16 highest
        self.most_zeros = 2 * self._dropped + ARGUMENT_BITS - 2
        self._most_shift = arithmetic.shift(self._dropped)
        step = Fraction(2) ** core.output.exponent
        config = FunctionConfig(
            function="rsqrt", input=core.reduction.input, output=core.output, error=core.error * step,
            low=Fraction(1), degree=core.polynomial.degree, target=target,
        )  # fmt: skip
        assert config.arithmetic == core
        self._lane = FunctionLane(config)
        super().__init__(
            {
                "x": In(arithmetic.input_bits),
                "enable": In(1),
                "mantissa": Out(MANTISSA_BITS),
                "shift": Out(range(self._most_shift + 1)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from an input to its outputs."""
        return normalize_latency(self.most_zeros, LEVELS) + self._lane.latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = Stages(m, ())
        m.submodules.lane = lane = self._lane
        x = Signal(ARGUMENT_BITS + 2 * self._dropped, name="widened")
        m.d.comb += x.eq(self.x)
        normalized, half_zeros = normalize(m, stages, x, self.most_zeros, LEVELS)
        mantissa: Value = lane.y[:MANTISSA_BITS] | lane.y[MANTISSA_BITS].replicate(MANTISSA_BITS)  # 1 is a step less
        zeros = stages.delay(half_zeros, lane.latency - 1, "half_zeros")
        m.d.comb += [
            lane.x.eq(Cat(normalized[-ARGUMENT_BITS:], Const(0, 1))),
            lane.enable.eq(self.enable),
            self.mantissa.eq(mantissa),
            self.shift.eq(stages.register((self._most_shift - zeros)[: len(self.shift)], "shift_of")),
        ]
        return m
