"""The requantizer: int32 accumulators to a few bits, times M / 2^k, rounded, clamped."""

from typing import Literal

from amaranth.hdl import Module, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.linear import SCALE_K_BITS, SCALE_M_BITS
from qse_hw.rtl_gen.lane.multiplier import Multiplier, multiplier_latency
from qse_hw.rtl_gen.linear.rounding_shift import SHIFT_LATENCY, shift_and_clamp
from qse_hw.rtl_gen.logic.reset import omit_reset
from qse_hw.rtl_gen.logic.stages import Stages

ACCUMULATOR_BITS = 32


def requantizer_latency(target: str, accumulator_bits: int = ACCUMULATOR_BITS) -> int:
    """Cycles from an accumulator to its value."""
    return multiplier_latency(accumulator_bits, target) + SHIFT_LATENCY


class Requantizer(wiring.Component):
    """``clamp(round(a * M / 2**k))`` to ``bits`` bits. Half to even and 8 bits: exactly
    :func:`qse_hw.golden.reference.linear.requantize_scalar`; half up: exactly
    :func:`qse_hw.golden.reference.convolution.requantize_scalar`.

    Stages: the product, and those of :func:`qse_hw.rtl_gen.linear.rounding_shift.shift_and_clamp`.

    Latency: :func:`requantizer_latency` cycles. Throughput: one value per cycle.

    Parameters:
        target: see :class:`qse_hw.rtl_gen.lane.multiplier.Multiplier`.
        bits: of the result, at least 2.
        half: where a half is rounded to, "even" or "up".
        constant_k: k must not change while values are in the requantizer; False: k belongs to its accumulator.
        accumulator_bits: of the accumulator.

    Members:
        enable: the same signal as that of the ``EnableInserter`` around the requantizer, if there is one.
        a: the accumulator, signed.
        scale_m: M.
        scale_k: k.
        value: the result, signed.
        saturated: the result was clamped.
    """

    def __init__(
        self,
        *,
        target: str,
        bits: int = 8,
        half: Literal["even", "up"] = "even",
        constant_k: bool = True,
        accumulator_bits: int = ACCUMULATOR_BITS,
    ) -> None:
        self._target, self._constant_k = target, constant_k
        self._half: Literal["even", "up"] = half
        super().__init__(
            {
                "enable": In(1, init=1),
                "a": In(signed(accumulator_bits)),
                "scale_m": In(SCALE_M_BITS),
                "scale_k": In(SCALE_K_BITS),
                "value": Out(signed(bits)),
                "saturated": Out(1),
            }
        )
        omit_reset(self, "value", "saturated")

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.multiplier = multiplier = Multiplier(self.a.shape(), SCALE_M_BITS, target=self._target)
        m.d.comb += [multiplier.a.eq(self.a), multiplier.b.eq(self.scale_m), multiplier.enable.eq(self.enable)]
        k: Value = self.scale_k
        if not self._constant_k:
            k = Stages(m, ()).delay(k, multiplier_latency(len(self.a), self._target), "k")
        shift_and_clamp(
            m,
            multiplier.p,
            k,
            value=self.value,
            saturated=self.saturated,
            half=self._half,
            constant_k=self._constant_k,
        )
        return m
