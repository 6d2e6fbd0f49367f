"""A value shifted left, plus a bias, clamped to the value's width."""

from amaranth.hdl import Cat, Const, Module, Mux, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from qse_hw.golden.reference.time_step import MORE_BITS, PLACES_BITS
from qse_hw.rtl_gen.logic.stages import Stages

_LEVELS = 2  # of the shift, between registers
SUM_LATENCY = -(-PLACES_BITS // _LEVELS) + 2


class SaturatingSum(wiring.Component):
    """``value = clamp((x << places) + bias)``, exactly :func:`qse_hw.golden.reference.time_step.sum_scalar`.

    The shifted value has a bit more than the bias. If it had needed more, no bias could bring the sum back into range,
    so it is enough to know that bits were lost which differ from the sign.

    Latency: :data:`SUM_LATENCY` cycles. Throughput: one value per cycle.

    Parameters:
        width: of the value and of the sum; the bias has :data:`qse_hw.golden.reference.time_step.MORE_BITS` more.

    Members:
        x: signed.
        places: how far it is shifted left.
        bias: signed.
        value: the sum, signed, a register.
        saturated: the sum was clamped, a register.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__(
            {
                "x": In(signed(width)),
                "places": In(PLACES_BITS),
                "bias": In(signed(width + MORE_BITS)),
                "value": Out(signed(width)),
                "saturated": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages, width, bits = Stages(m, ()), len(self.x), len(self.bias) + 1
        sign: Value = self.x[-1]
        shifted: Value = Cat(self.x, sign.replicate(bits - width))
        lost: Value = Const(0, 1)
        places: Value = self.places
        for level in range(PLACES_BITS):
            step = min(1 << level, bits)
            top = shifted[bits - 1 - step :] ^ sign.replicate(step + 1) if step < bits else shifted
            lost = stages.name(lost | (places[level] & top.any()), f"lost{level}")
            moved = (shifted << step)[:bits]
            shifted = stages.name(Mux(places[level], moved, shifted), f"by{1 << level}")
            if level % _LEVELS == _LEVELS - 1 or level == PLACES_BITS - 1:
                shifted, lost = stages.register(shifted, f"shifted{level}"), stages.register(lost, f"was_lost{level}")
                sign, places = stages.register(sign, f"sign{level}"), stages.register(places, f"places{level}")
        total = stages.register(shifted.as_signed() + stages.delay(self.bias, SUM_LATENCY - 2, "bias"), "total")
        lost, sign = stages.register(lost, "lost"), stages.register(sign, "sign")
        above = total[width - 1 :]
        beyond = stages.name(lost | (above != above[-1].replicate(len(above))), "beyond")
        negative = stages.name(Mux(lost, sign, above[-1]), "negative")
        end = Cat((~negative).replicate(width - 1), negative)
        m.d.comb += [
            self.value.eq(stages.register(Mux(beyond, end, total[:width]).as_signed(), "sum")),
            self.saturated.eq(stages.register(beyond, "clamped")),
        ]
        return m
