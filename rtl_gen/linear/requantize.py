"""The requantizer: int32 accumulators to a few bits, times M / 2^k, rounded, clamped."""

from typing import Literal, NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.linear import SCALE_K_BITS, SCALE_M_BITS
from qse_hw.rtl_gen.lane.multiplier import Multiplier, multiplier_latency
from qse_hw.rtl_gen.logic.reset import omit_reset
from qse_hw.rtl_gen.logic.stages import Stages

ACCUMULATOR_BITS = 32


def requantizer_latency(target: str) -> int:
    """Cycles from an accumulator to its value."""
    return multiplier_latency(ACCUMULATOR_BITS, target) + 6


class _Window(NamedTuple):
    """A product after a shift by 0 to 3 units.

    ``bits``: the half (bit 0) and the quotient, signed. ``sign``: of the product. ``lost``: whether a set bit was
    dropped below ``bits``: before this shift, and in each of the three units that it may drop; empty if that does not
    matter. ``ones``, ``zeros``: for four groups of bits, of which a shift by n units leaves groups n to 3 above
    ``bits``, whether a bit is 1, is 0. ``beyond``: before this shift, a bit above differed from the sign.
    """

    bits: Value
    sign: Value
    lost: list[Value]
    ones: list[Value]
    zeros: list[Value]
    beyond: Value

    def any_lost(self, amount: Value) -> Value:
        """Whether a set bit was lost, if the shift was by ``amount`` units."""
        return _choose([Cat(self.lost[: n + 1]).any() for n in range(4)], amount)

    def any_beyond(self, amount: Value) -> Value:
        """Whether a bit above ``bits`` differs from the sign, if the shift was by ``amount`` units."""
        more = [Mux(self.sign, zero, one) for one, zero in zip(self.ones, self.zeros, strict=True)]
        return self.beyond | _choose([Cat(more[n:]).any() for n in range(4)], amount)


class Requantizer(wiring.Component):
    """``clamp(round(a * M / 2**k))`` to ``bits`` bits. Half to even and 8 bits: exactly
    :func:`qse_hw.golden.reference.linear.requantize_scalar`; half up: exactly
    :func:`qse_hw.golden.reference.convolution.requantize_scalar`.

    Stages: the product; a shift by 0, 16, 32 or 48; by 0, 4, 8 or 12; by 0 to 3; whether to round up; the addition;
    clamping. A shift keeps only the bits that later shifts can choose; of the bits above it keeps whether one differs
    from the sign, of those below, if ties go to even, whether one is set.

    Latency: :func:`requantizer_latency` cycles. Throughput: one value per cycle.

    Parameters:
        target: see :class:`qse_hw.rtl_gen.lane.multiplier.Multiplier`.
        bits: of the result, at least 2.
        half: where a half is rounded to, "even" or "up".
        constant_k: k must not change while values are in the requantizer; False: k belongs to its accumulator.

    Members:
        enable: the same signal as that of the ``EnableInserter`` around the requantizer, if there is one.
        a: the accumulator, signed.
        scale_m: M.
        scale_k: k.
        value: the result, signed.
        saturated: the result was clamped.
    """

    def __init__(
        self, *, target: str, bits: int = 8, half: Literal["even", "up"] = "even", constant_k: bool = True
    ) -> None:
        self._target, self._bits, self._to_even, self._constant_k = target, bits, half == "even", constant_k
        super().__init__(
            {
                "enable": In(1, init=1),
                "a": In(signed(ACCUMULATOR_BITS)),
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
        stages = Stages(m, ("by16", "by4", "by1"))
        none, bits = Const(0, 1), self._bits
        # bit 0 is the half, 0 before any shift; at the end a bit more than the result's remains above it
        lost = [none] * 4 if self._to_even else []
        window = _Window(Cat(none, multiplier.p), multiplier.p[-1], lost, [none] * 4, [none] * 4, none)
        k: Value = self.scale_k
        if not self._constant_k:
            k = stages.delay(k, multiplier_latency(ACCUMULATOR_BITS, self._target), "k")
        before: Value = Const(0, 2)
        for low, keep in ((4, bits + 17), (2, bits + 5), (0, bits + 2)):
            window = stages.step(f"by{1 << low}", _shifted(window, before, 1 << low, k[low : low + 2], keep))
            k = k if self._constant_k else stages.register(k, f"k_after{1 << low}_")
            before = k[low : low + 2]

        quotient = stages.register(window.bits[1:].as_signed(), "quotient")
        up = stages.register(
            window.bits[0] & (window.any_lost(before) | window.bits[1]) if self._to_even else window.bits[0], "up"
        )
        beyond = stages.delay(window.any_beyond(before) | (window.bits[-1] ^ window.sign), 2, "beyond")
        sign = stages.delay(window.sign, 2, "sign")
        total = Signal(signed(bits + 2), reset_less=True)
        m.d.sync += total.eq(quotient + up)
        saturated = Signal()
        m.d.comb += saturated.eq(beyond | (total[bits - 1 :] != total[-1].replicate(3)))
        m.d.sync += [
            self.value.eq(Mux(saturated, Cat((~sign).replicate(bits - 1), sign), total[:bits])),
            self.saturated.eq(saturated),
        ]
        return m


def _shifted(of: _Window, before: Value, unit: int, amount: Value, keep: int) -> _Window:
    """The window shifted right by ``unit * amount`` bits and cut to ``keep``; ``before``: the last shift's amount."""
    steps = [unit * n for n in range(4)]
    kept = [of.bits[low : low + keep] for low in steps]
    below = [of.bits[low : low + unit] for low in steps[:3]]
    above = [*(of.bits[low + keep : low + keep + unit] for low in steps[:3]), of.bits[steps[3] + keep :]]
    return _Window(
        bits=_choose([Cat(bits, of.sign.replicate(keep - len(bits))) for bits in kept], amount),
        sign=of.sign,
        lost=[of.any_lost(before), *(bits.any() for bits in below)] if of.lost else [],
        ones=[bits.any() for bits in above],
        zeros=[(~bits).any() for bits in above],
        beyond=of.any_beyond(before),
    )


def _choose(values: list[Value], amount: Value) -> Value:
    return Mux(amount[1], Mux(amount[0], values[3], values[2]), Mux(amount[0], values[1], values[0]))
