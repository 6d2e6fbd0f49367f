"""A shift right by a variable amount, rounded and clamped: the second part of the requantizer."""

from typing import Literal, NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.rtl_gen.logic.reset import omit_reset
from qse_hw.rtl_gen.logic.stages import Stages

SHIFT_LATENCY = 6
"""Cycles of a shift."""
K_BITS = 6


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


def shift_and_clamp(
    m: Module,
    product: Value,
    k: Value,
    *,
    value: Signal,
    saturated: Signal,
    half: Literal["even", "up"],
    constant_k: bool = False,
) -> None:
    """``value`` becomes ``clamp(round(product / 2**k))`` to its bits, :data:`SHIFT_LATENCY` cycles later.

    Stages: a shift by 0, 16, 32 or 48; by 0, 4, 8 or 12; by 0 to 3; whether to round up; the addition; clamping. A
    shift keeps only the bits that later shifts can choose; of the bits above it keeps whether one differs from the
    sign, of those below, if ties go to even, whether one is set.

    Args:
        m: is added to.
        product: signed.
        k: 0 to 63, of :data:`K_BITS` bits; ``constant_k``: it does not change while values are shifted.
        value: a signed register of at least 2 bits.
        saturated: a register: the value was clamped.
        half: where a half is rounded to.
    """
    stages = Stages(m, ("by16", "by4", "by1"))
    none, bits = Const(0, 1), len(value)
    # bit 0 is the half, 0 before any shift; at the end a bit more than the result's remains above it
    lost = [none] * 4 if half == "even" else []
    window = _Window(Cat(none, product), product[-1], lost, [none] * 4, [none] * 4, none)
    before: Value = Const(0, 2)
    for low, keep in ((4, bits + 17), (2, bits + 5), (0, bits + 2)):
        window = stages.step(f"by{1 << low}", _shifted(window, before, 1 << low, k[low : low + 2], keep))
        k = k if constant_k else stages.register(k, f"k_after{1 << low}_")
        before = k[low : low + 2]

    quotient = stages.register(window.bits[1:].as_signed(), "quotient")
    up = stages.register(
        window.bits[0] & (window.any_lost(before) | window.bits[1]) if half == "even" else window.bits[0], "up"
    )
    beyond = stages.delay(window.any_beyond(before) | (window.bits[-1] ^ window.sign), 2, "beyond")
    sign = stages.delay(window.sign, 2, "sign")
    total = Signal(signed(bits + 2), reset_less=True)
    m.d.sync += total.eq(quotient + up)
    clamped = Signal(name="saturated")
    m.d.comb += clamped.eq(beyond | (total[bits - 1 :] != total[-1].replicate(3)))
    m.d.sync += [
        value.eq(Mux(clamped, Cat((~sign).replicate(bits - 1), sign), total[:bits])),
        saturated.eq(clamped),
    ]


class RoundingShift(wiring.Component):
    """``clamp(round(a / 2**k))`` to ``bits`` bits, half up. For latency and stages see :func:`shift_and_clamp`.

    Throughput: one value per cycle.

    Parameters:
        width: of ``a``.
        bits: of the result, at least 2.

    Members:
        a: signed.
        k: of ``a``, 0 to 63.
        value: the result, signed.
        saturated: the result was clamped.
    """

    def __init__(self, *, width: int, bits: int) -> None:
        super().__init__(
            {"a": In(signed(width)), "k": In(K_BITS), "value": Out(signed(bits)), "saturated": Out(1)}
        )
        omit_reset(self, "value", "saturated")

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shift_and_clamp(m, self.a, self.k, value=self.value, saturated=self.saturated, half="up")
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
